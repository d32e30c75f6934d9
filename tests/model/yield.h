/* SPDX-License-Identifier: MIT */
/*
 * Included before each file of the library in the model's build: another CPU may run before every
 * atomic operation. A function-like macro is not expanded within itself, so each still ends in the
 * compiler's own operation. What lies between two of them runs as one step; so do plain accesses,
 * which the library must not share.
 */
#ifndef MODEL_YIELD_H
#define MODEL_YIELD_H

void model_yield(void);
void model_wait(void);

#define __builtin_ia32_pause() model_wait()

#define __atomic_load_n(p, o)        (model_yield(), __atomic_load_n(p, o))
#define __atomic_store_n(p, v, o)    (model_yield(), __atomic_store_n(p, v, o))
#define __atomic_exchange_n(p, v, o) (model_yield(), __atomic_exchange_n(p, v, o))
#define __atomic_add_fetch(p, v, o)  (model_yield(), __atomic_add_fetch(p, v, o))
#define __atomic_sub_fetch(p, v, o)  (model_yield(), __atomic_sub_fetch(p, v, o))
#define __atomic_or_fetch(p, v, o)   (model_yield(), __atomic_or_fetch(p, v, o))
#define __atomic_and_fetch(p, v, o)  (model_yield(), __atomic_and_fetch(p, v, o))
#define __atomic_fetch_add(p, v, o)  (model_yield(), __atomic_fetch_add(p, v, o))
#define __atomic_fetch_or(p, v, o)   (model_yield(), __atomic_fetch_or(p, v, o))
#define __atomic_fetch_and(p, v, o)  (model_yield(), __atomic_fetch_and(p, v, o))
#define __atomic_compare_exchange_n(p, e, d, w, s, f) \
	(model_yield(), __atomic_compare_exchange_n(p, e, d, w, s, f))

#endif
