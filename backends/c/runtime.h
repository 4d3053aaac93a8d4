/* The threads of a generated program; at the top of each of its files.
 *
 * A program is one function, the body, that all threads run side by side; they meet at gn_barrier(). The caller of
 * gn_run is thread 0, the others sleep between runs. Who waits spins for some microseconds, if each thread can have a
 * processor of its own, and then sleeps: a busy machine is not made busier.
 *
 *     int gn_start(int threads)    exported: make the threads; 0, or an errno
 *     void gn_stop(void)           exported: end them
 *     gn_run(body, arrays)         run body(arrays, thread, threads) on all threads; back when all are done
 *     gn_barrier()                 in a body: go on when all threads have come here
 *
 * A body takes `threads` as it comes: it is 1 before gn_start, and 1 in a child of fork that gets no threads.
 * Variables and exported functions are weak: the files of a program share one pool, two programs have two.
 */
#ifndef GN_RUNTIME_H
#define GN_RUNTIME_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__) && !defined(GN_NO_FUTEX)
#include <sys/syscall.h>
#define GN_FUTEX_WAIT 128        /* FUTEX_WAIT_PRIVATE; the kernel's headers are not everywhere */
#define GN_FUTEX_WAKE 129
#endif

#define GN_EXPORT __attribute__((weak, visibility("default")))
#define GN_SHARED __attribute__((weak, visibility("hidden")))
#define GN_MAX_THREADS 256
#define GN_STACK (8u << 20)      /* bytes of each thread's stack; some systems give 128 KB */
#ifndef GN_SPIN_NS
#define GN_SPIN_NS 20000         /* how long who waits spins at most: about what to sleep and be woken costs */
#endif

#define GN_YIELDS 4000           /* about a millisecond where nobody else wants the processor */

typedef void (*gn_body)(void *const *arrays, int thread, int threads);

/* A number that threads wait on to change, and how many of them sleep; alone on its cache lines. */
struct gn_word {
    _Alignas(128) atomic_uint value;
    atomic_uint sleepers;
    atomic_uint looks;           /* how often to look before sleeping */
};

struct gn_pool {
    struct gn_word go;           /* counts runs: workers wait on it */
    struct gn_word done;         /* counts runs: the caller waits on it */
    struct gn_word phase;        /* counts barriers */
    _Alignas(128) atomic_int arrived;
    _Alignas(128) atomic_int left;
    _Alignas(128) gn_body body;  /* null: end */
    void *const *arrays;
    int threads;                 /* of the body that runs */
    int wanted;                  /* what gn_start was asked for, 0: never */
    unsigned spin;               /* the most looks before sleeping */
    pid_t pid;                   /* of the process that has the workers */
    pthread_t workers[GN_MAX_THREADS];
    atomic_int at[GN_MAX_THREADS]; /* the processor that each worker was on when its last run ended */
#if !defined(GN_FUTEX_WAIT)
    pthread_mutex_t mutex;
    pthread_cond_t changed;
#endif
};

GN_SHARED struct gn_pool gn_pool;
GN_SHARED pthread_mutex_t gn_mutex = PTHREAD_MUTEX_INITIALIZER; /* who holds it starts, stops or runs */

/* Waiting */

static inline void gn_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#else
    __asm__ volatile("" ::: "memory");
#endif
}

static void gn_sleep(struct gn_word *word, unsigned old)
{
    atomic_fetch_add(&word->sleepers, 1);
#if defined(GN_FUTEX_WAIT)
    while (atomic_load(&word->value) == old)
        syscall(SYS_futex, &word->value, GN_FUTEX_WAIT, old, NULL, NULL, 0);
#else
    pthread_mutex_lock(&gn_pool.mutex);
    while (atomic_load(&word->value) == old)
        pthread_cond_wait(&gn_pool.changed, &gn_pool.mutex);
    pthread_mutex_unlock(&gn_pool.mutex);
#endif
    atomic_fetch_sub(&word->sleepers, 1);
}

/* Wait until the word is no longer `old`. Looks in vain halve those of the next time, and a change that was seen
 * restores them: where two threads share a processor, or runs are rare, spinning delays what is waited for. Every
 * sixteenth wait tries all the same. After that come `yields` looks that leave the processor to whoever wants it: in a
 * run, where the other thread is at work and soon done, they cost nobody anything, and being woken would cost more. */
static void gn_wait(struct gn_word *word, unsigned old, int yields)
{
    unsigned most = gn_pool.spin, usual = atomic_load_explicit(&word->looks, memory_order_relaxed);
    unsigned looks = old % 16 == 0 || usual > most ? most : usual;
    for (unsigned k = looks; k > 0; k--) {
        if (atomic_load_explicit(&word->value, memory_order_acquire) != old) {
            if (usual < most)
                atomic_store_explicit(&word->looks, most, memory_order_relaxed);
            return;
        }
        gn_pause();
    }
    for (; yields > 0 && gn_pool.spin > 0; yields--) {
        if (atomic_load_explicit(&word->value, memory_order_acquire) != old)
            return;
        sched_yield();
    }
    if (atomic_load(&word->value) == old) {
        atomic_store_explicit(&word->looks, looks / 2 > most / 32 ? looks / 2 : most / 32, memory_order_relaxed);
        gn_sleep(word, old);
    }
}

/* Change the word and wake who sleeps on it. Both this store and the load after it, and the sleeper's addition and the
 * kernel's look at the value, are sequentially consistent: one of the two sees the other. */
static void gn_tell(struct gn_word *word, unsigned value)
{
    atomic_store(&word->value, value);
    if (atomic_load(&word->sleepers) == 0)
        return;
#if defined(GN_FUTEX_WAIT)
    syscall(SYS_futex, &word->value, GN_FUTEX_WAKE, GN_MAX_THREADS, NULL, NULL, 0);
#else
    pthread_mutex_lock(&gn_pool.mutex);
    pthread_cond_broadcast(&gn_pool.changed);
    pthread_mutex_unlock(&gn_pool.mutex);
#endif
}

/* The phase cannot change between its load and the addition: this thread has not come yet. */
static __attribute__((unused, noinline)) void gn_meet(void)
{
    unsigned phase = atomic_load_explicit(&gn_pool.phase.value, memory_order_relaxed);
    if (atomic_fetch_add(&gn_pool.arrived, 1) == gn_pool.threads - 1) {
        atomic_store_explicit(&gn_pool.arrived, 0, memory_order_relaxed);
        gn_tell(&gn_pool.phase, phase + 1);
    } else {
        gn_wait(&gn_pool.phase, phase, GN_YIELDS);
    }
}

static inline __attribute__((unused)) void gn_barrier(void)
{
    if (gn_pool.threads > 1)
        gn_meet();
}

/* Threads */

static void *gn_work(void *argument)
{
    int thread = (int)(size_t)argument;
    for (unsigned run = 0;; run++) {
        gn_wait(&gn_pool.go, run, 0);
        if (gn_pool.body == NULL)
            return NULL;
        gn_pool.body(gn_pool.arrays, thread, gn_pool.threads);
#if defined(__linux__)
        atomic_store_explicit(&gn_pool.at[thread], sched_getcpu(), memory_order_relaxed);
#endif
        if (atomic_fetch_sub(&gn_pool.left, 1) == 1)
            gn_tell(&gn_pool.done, run + 1);
    }
}

static int gn_processors(void)
{
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return CPU_COUNT(&set);
#endif
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

/* Keep a worker from the caller's processor if it was there: Linux likes to wake it where it is woken from, and then
 * takes milliseconds to see that another processor is idle. It may go wherever else the caller may. */
static __attribute__((unused)) void gn_apart(void)
{
#if defined(__linux__)
    int here = sched_getcpu();
    cpu_set_t set;
    for (int k = 1; k < gn_pool.threads && gn_pool.spin > 0; k++) {
        if (atomic_load_explicit(&gn_pool.at[k], memory_order_relaxed) != here)
            continue;
        if (sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) < gn_pool.threads)
            return;
        CPU_CLR(here, &set);
        pthread_setaffinity_np(gn_pool.workers[k], sizeof set, &set);
        atomic_store_explicit(&gn_pool.at[k], -1, memory_order_relaxed);
    }
#endif
}

/* Measure how many looks take GN_SPIN_NS: a pause takes 5 to 50 ns. The fastest of some trials was not disturbed. */
static unsigned gn_looks(void)
{
    double best = 1e9;
    for (int trial = 0; trial < 4; trial++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        for (int k = 0; k < 100; k++) {
            (void)atomic_load_explicit(&gn_pool.go.value, memory_order_acquire);
            gn_pause();
        }
        clock_gettime(CLOCK_MONOTONIC, &b);
        double ns = (b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
        best = ns < best ? ns : best;
    }
    return (unsigned)(GN_SPIN_NS * 100.0 / (best > 100.0 ? best : 100.0)) + 1;
}

/* End the workers 1 .. threads - 1. */
static void gn_end(int threads)
{
    gn_pool.body = NULL;
    gn_tell(&gn_pool.go, atomic_load(&gn_pool.go.value) + 1);
    for (int k = 1; k < threads; k++)
        pthread_join(gn_pool.workers[k], NULL);
    gn_pool.threads = 1;
}

/* Set everything to its beginning: nobody runs, as in a new process or a new child of fork. */
static void gn_reset(void)
{
    struct gn_word *words[] = {&gn_pool.go, &gn_pool.done, &gn_pool.phase};
    for (int k = 0; k < 3; k++) {
        atomic_store(&words[k]->value, 0);
        atomic_store(&words[k]->sleepers, 0);
        atomic_store(&words[k]->looks, ~0u);
    }
    for (int k = 0; k < GN_MAX_THREADS; k++)
        atomic_store_explicit(&gn_pool.at[k], -1, memory_order_relaxed);
    atomic_store(&gn_pool.arrived, 0);
    atomic_store(&gn_pool.left, 0);
    gn_pool.threads = 1;
    gn_pool.pid = getpid();
#if !defined(GN_FUTEX_WAIT)
    pthread_mutex_init(&gn_pool.mutex, NULL);
    pthread_cond_init(&gn_pool.changed, NULL);
#endif
}

/* Make the workers. Signals are left to the caller's thread, where Python waits for them. */
static int gn_make(void)
{
    gn_reset();
    if (gn_pool.wanted <= 1)
        return 0;
    gn_pool.spin = gn_pool.wanted <= gn_processors() ? gn_looks() : 0;
    sigset_t all, before;
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes), made = 1;
    if (error)
        return error;
    pthread_attr_setstacksize(&attributes, GN_STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; made < gn_pool.wanted && !error; made += !error)
        error = pthread_create(&gn_pool.workers[made], &attributes, gn_work, (void *)(size_t)made);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (error)
        gn_end(made);
    else
        gn_pool.threads = made;
    return error;
}

/* In a child of fork there are no workers, and a mutex that nobody gives back. */
static void gn_after_fork(void)
{
    if (gn_pool.wanted > 0 && gn_pool.pid != getpid()) {
        pthread_mutex_init(&gn_mutex, NULL);
        gn_make();
    }
}

int gn_start(int threads);
void gn_stop(void);

GN_EXPORT void gn_stop(void)
{
    if (gn_pool.wanted > 0 && gn_pool.pid != getpid()) {
        pthread_mutex_init(&gn_mutex, NULL);
        gn_pool.threads = 1;
    }
    pthread_mutex_lock(&gn_mutex);
    if (gn_pool.threads > 1)
        gn_end(gn_pool.threads);
    gn_pool.wanted = 0;
    pthread_mutex_unlock(&gn_mutex);
}

GN_EXPORT int gn_start(int threads)
{
    if (threads < 1 || threads > GN_MAX_THREADS)
        return EINVAL;
    gn_stop();
    pthread_mutex_lock(&gn_mutex);
    gn_pool.wanted = threads;
    int error = gn_make();
    if (error)
        gn_pool.wanted = 0;
    pthread_mutex_unlock(&gn_mutex);
    return error;
}

static __attribute__((unused)) void gn_run(gn_body body, void *const *arrays)
{
    gn_after_fork();
    pthread_mutex_lock(&gn_mutex);
    if (gn_pool.threads <= 1) {
        gn_pool.threads = 1;
        body(arrays, 0, 1);
    } else {
        gn_apart();
        unsigned run = atomic_load_explicit(&gn_pool.go.value, memory_order_relaxed);
        gn_pool.body = body;
        gn_pool.arrays = arrays;
        atomic_store_explicit(&gn_pool.left, gn_pool.threads - 1, memory_order_relaxed);
        gn_tell(&gn_pool.go, run + 1);
        body(arrays, 0, gn_pool.threads);
        gn_wait(&gn_pool.done, run, GN_YIELDS);
    }
    pthread_mutex_unlock(&gn_mutex);
}

#endif
