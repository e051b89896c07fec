/* A wrong clock for every program of a host that begins while this is in its /etc/ld.so.preload.
 *
 * The time of day is off by the seconds in /etc/wrong_clock. Spans of time, sleeps and the dates of
 * files stay what they are, as with a real clock that is wrong. (libfaketime also changes sleeps and
 * locks, so that gunicorn does not start under it, and its shared memory ends sshd's sandbox.)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

static long long off;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void)
{
    FILE *file = fopen("/etc/wrong_clock", "re");
    real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (file && fscanf(file, "%lld", &off) != 1)
        off = 0;
    if (file)
        fclose(file);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (!real)
        begin();
    int failed = real(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += off;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &exact))
        return -1;
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *kept)
{
    struct timespec exact;
    if (clock_gettime(CLOCK_REALTIME, &exact))
        return -1;
    if (kept)
        *kept = exact.tv_sec;
    return exact.tv_sec;
}
