/* SPDX-License-Identifier: MIT */
/* What a C library needs of a kernel, each answer printed: the build host's must be the same. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <glob.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <wchar.h>

extern char **environ;

static void files(void)
{
	char buf[64] = "", name[] = "tmp.XXXXXX";
	FILE *f = fopen("file", "w+");
	struct stat st;

	for (int i = 0; i < 5000; i++)
		fprintf(f, "line %d %s %.3f\n", i, "text", i / 7.0);
	fseek(f, 1000, SEEK_SET);
	fgets(buf, sizeof(buf), f);
	printf("seek: %s", buf);
	fclose(f);
	stat("file", &st);
	printf("size %ld mode %o\n", (long)st.st_size, st.st_mode);
	int fd = mkstemp(name);
	struct iovec v[2] = {{"abc", 3}, {"defg", 4}};
	printf("writev %zd, ", writev(fd, v, 2));
	pread(fd, buf, 4, 2);
	printf("pread %.4s\n", buf);
	char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	printf("mapped %.7s\n", m);
	m[0] = 'X';
	pread(fd, buf, 1, 0);
	printf("private %.1s, file %.1s\n", m, buf);
	close(fd);
	unlink(name);
	errno = 0;
	fd = open("none/none", O_RDONLY);
	printf("open: %d %s\n", fd, strerror(errno));
	glob_t g;
	int found = glob("fil*", 0, NULL, &g);
	printf("glob %d %zu\n", found, g.gl_pathc);
	DIR *d = opendir(".");
	int n = 0;
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		n++;
	printf("entries %d\n", n);
	closedir(d);
	FILE *t = tmpfile();
	fputs("tmpfile", t);
	rewind(t);
	printf("%s\n", fgets(buf, sizeof(buf), t));
}

static void processes(void)
{
	char buf[64] = "";
	FILE *p = popen("echo from popen; exit 4", "r");

	fgets(buf, sizeof(buf), p);
	printf("%s", buf);
	printf("pclose %d\n", WEXITSTATUS(pclose(p)));
	fflush(stdout);
	printf("system %d\n", WEXITSTATUS(system("echo from system; exit 7")));
	pid_t pid;
	int status;
	char *argv[] = {"sh", "-c", "exit 9", NULL};
	fflush(stdout);
	printf("spawn %d\n", posix_spawnp(&pid, "sh", NULL, NULL, argv, environ));
	waitpid(pid, &status, 0);
	printf("status %d\n", WEXITSTATUS(status));
	printf("spawn of nothing: %d\n", posix_spawn(&pid, "/none", NULL, NULL, argv, environ));
	fflush(stdout);
	if (vfork() == 0)
		_exit(3);
	wait(&status);
	printf("vfork %d\n", WEXITSTATUS(status));
	fflush(stdout);
	if ((pid = fork()) == 0)
		abort();
	waitpid(pid, &status, 0);
	printf("abort %d\n", WTERMSIG(status));
}

static sem_t sem;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_barrier_t barrier;
static __thread int own = 5;
static int total, turn;

static void once_only(void)
{
	printf("once\n");
}

static void *worker(void *arg)
{
	int id = (int)(long)arg;

	pthread_once(&once, once_only);
	own += id;
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&lock);
		total++;
		pthread_mutex_unlock(&lock);
	}
	pthread_barrier_wait(&barrier);
	pthread_mutex_lock(&lock);
	while (turn != id)
		pthread_cond_wait(&cond, &lock);
	turn++;
	printf("thread %d own %d\n", id, own);
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
	sem_post(&sem);
	return (void *)(long)(id * id);
}

static void *sleeper(void *arg)
{
	pause();
	return arg;
}

static void threads(void)
{
	pthread_t t[8], s;
	void *r;
	long sum = 0;

	sem_init(&sem, 0, 0);
	pthread_barrier_init(&barrier, NULL, 8);
	for (long i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, worker, (void *)i);
	for (int i = 0; i < 8; i++)
		sem_wait(&sem);
	for (int i = 0; i < 8; i++) {
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	printf("total %d, sum %ld, own %d\n", total, sum, own);
	pthread_create(&s, NULL, sleeper, NULL);
	pthread_cancel(s);
	pthread_join(s, &r);
	printf("cancelled %d\n", r == PTHREAD_CANCELED);
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec = (ts.tv_nsec + 20000000) % 1000000000;
	ts.tv_sec += ts.tv_nsec < 20000000;
	printf("timed wait %d\n", sem_timedwait(&sem, &ts) == -1 && errno == ETIMEDOUT);
}

static sigjmp_buf env;
static volatile int count;

static void on_fault(int sig)
{
	count++;
	siglongjmp(env, sig);
}

static void on_alarm(int sig)
{
	count += sig;
}

static void signals(void)
{
	char *volatile nothing = NULL;
	int sig = sigsetjmp(env, 1);

	if (!sig) {
		signal(SIGSEGV, on_fault);
		*nothing = 1;
	}
	printf("fault %d\n", sig);
	volatile int zero = 0;
	sig = sigsetjmp(env, 1);
	if (!sig) {
		signal(SIGFPE, on_fault);
		printf("%d\n", 1 / zero);
	}
	printf("division %d count %d\n", sig, count);
	signal(SIGALRM, on_alarm);
	struct itimerval it = {{0, 0}, {0, 20000}};
	setitimer(ITIMER_REAL, &it, NULL);
	pause();
	printf("alarm %d\n", count);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	sigwait(&set, &sig);
	printf("sigwait %d\n", sig);
	jmp_buf again;
	volatile int n = 0;
	if (setjmp(again) < 3)
		longjmp(again, ++n);
	printf("longjmp %d\n", n);
}

static ucontext_t mine, other;
static char stack[65536];

static void beside(void)
{
	printf("other context\n");
}

static void numbers(void)
{
	fesetround(FE_UPWARD);
	volatile double x = 1, y = 3;
	printf("%.17g ", x / y);
	fesetround(FE_TONEAREST);
	printf("%.17g %.17g %a %.10Lg\n", x / y, pow(2, 0.5), sin(1), 1.0L / 3);
	printf("%s %ls %d\n", setlocale(LC_ALL, "C"), L"wide", (int)wcslen(L"four"));
	time_t when = 1510315200;
	char buf[64];
	strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S", gmtime(&when));
	printf("%s\n", buf);
	char *big = malloc(50 << 20);
	memset(big, 1, 50 << 20);
	big = realloc(big, 60 << 20);
	printf("realloc %d\n", big[(50 << 20) - 1]);
	free(big);
	printf("too much: %d\n", malloc((size_t)1 << 62) == NULL);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	files();
	processes();
	threads();
	signals();
	numbers();
#ifdef __GLIBC__
	getcontext(&other);
	other.uc_stack.ss_sp = stack;
	other.uc_stack.ss_size = sizeof(stack);
	other.uc_link = &mine;
	makecontext(&other, beside, 0);
	swapcontext(&mine, &other);
#else
	(void)mine, (void)other, (void)stack, (void)beside;
#endif
	fd_set set;
	struct timeval tv = {0, 10000};
	int pipes[2];
	pipe(pipes);
	FD_ZERO(&set);
	FD_SET(pipes[0], &set);
	printf("select %d", select(pipes[0] + 1, &set, NULL, NULL, &tv));
	write(pipes[1], "x", 1);
	struct pollfd pf = {pipes[0], POLLIN, 0};
	int ready = poll(&pf, 1, -1);
	printf(" poll %d %d\n", ready, pf.revents);
	atexit(once_only);
	return 5;
}
