// The clock that tests move, for librdkafka: its threads wait by glibc's cnd_timedwait, which
// libfaketime does not know, until a time of the moved clock. They would not sleep, or for days.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>
int cnd_timedwait(cnd_t *cnd, mtx_t *mtx, const struct timespec *until) {
  static int (*wait)(cnd_t *, mtx_t *, const struct timespec *);
  if (!wait) wait = dlsym(RTLD_NEXT, "cnd_timedwait");
  struct timespec at = *until, real, moved;
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &real);
  clock_gettime(CLOCK_REALTIME, &moved);
  at.tv_sec += real.tv_sec - moved.tv_sec;
  return wait(cnd, mtx, &at);
}
