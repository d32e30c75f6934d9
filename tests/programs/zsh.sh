# SPDX-License-Identifier: MIT
# zsh, Debian's zsh-static.
t_language() { emulate zsh; a=(one two three); echo $a[2] $#a ${a[-1]} ${(j:,:)a} ${(U)a}; typeset -A m; m=(x 1 y 2); echo ${(ok)m}; echo ${${:-hello}/l/L}; s="a:b:c"; echo ${(s.:.)s}; for i in {1..3}; echo $i; repeat 2 echo again; echo $((2.5 * 2)) $((16#ff)); }
t_files() { emulate zsh; mkdir -p d/e; touch d/1 d/e/2; print -l d/**/*(.); echo one >a; cat a >b >c; sleep 0.3; cat b c; diff =(seq 1 3) =(seq 1 4) | tail -n +3; echo *(/); wc -l < <(seq 1 7); }
t_processes() { emulate zsh; for i in {1..20}; do (exit 0) & done; wait; echo waited; sleep 5 & kill $!; wait $!; echo $?; x=$(seq 1 3000); echo ${#x}; yes | head -n 1; trap 'echo bye' EXIT; }
