/* floor: the limit that nothing can go below. One thread, N connected loopback sockets, a bare send() of B bytes to each
 * in turn, M times, RATE times a second (0: a tenth of a second between rounds); the other side only reads. The first
 * WARM rounds are not counted: the other side acknowledges them at once, within our send, which doubles what that costs.
 * Prints one JSON object.
 *
 *   cc -O2 -o floor floor.c && ./floor READERS MESSAGES BYTES RATE [WARM]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double cpu_us(void) {
    struct rusage u; getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static void die(const char *what) { perror(what); exit(2); }

/* Each end on a core of its own: see `apart` in machine.py. */
static void stay_on(int first) {
    cpu_set_t all, mine; CPU_ZERO(&mine); if (sched_getaffinity(0, sizeof all, &all) || CPU_COUNT(&all) < 2) return;
    for (int c = 0, seen = 0; c < CPU_SETSIZE; c++) if (CPU_ISSET(c, &all) && !seen++ == first) CPU_SET(c, &mine);
    sched_setaffinity(0, sizeof mine, &mine);
}

static void take_all(struct sockaddr_in *to, int n, long want) {
    int ep = epoll_create1(0); char *buf = malloc(1 << 18); long total = 0; struct epoll_event ev[512];
    for (int i = 0; i < n; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (void *)to, sizeof *to)) die("connect");
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd}; epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e); }
    while (total < want) {
        int k = epoll_wait(ep, ev, 512, 20000); if (k <= 0) _exit(1);
        for (int i = 0; i < k; i++) { long got = read(ev[i].data.fd, buf, 1 << 18); if (got > 0) total += got; } }
    _exit(0);
}

int main(int argc, char **argv) {
    if (argc < 5) { fputs("floor READERS MESSAGES BYTES RATE [WARM]\n", stderr); return 2; }
    double rate = atof(argv[4]), began = now();
    int n = atoi(argv[1]), m = atoi(argv[2]), bytes = atoi(argv[3]), warm = argc > 5 ? atoi(argv[5]) : 0, one = 1;
    struct rlimit r; getrlimit(RLIMIT_NOFILE, &r); r.rlim_cur = r.rlim_max; setrlimit(RLIMIT_NOFILE, &r);
    int l = socket(AF_INET, SOCK_STREAM, 0); struct sockaddr_in a = {.sin_family = AF_INET}; socklen_t size = sizeof a;
    inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
    if (bind(l, (void *)&a, sizeof a) || listen(l, 4096) || getsockname(l, (void *)&a, &size)) die("listen");
    int child = fork(); stay_on(child != 0); if (!child) { close(l); take_all(&a, n, (long)n * (m + warm) * bytes); }
    int *to = malloc(n * sizeof *to); char *buf = malloc(bytes); memset(buf, 'x', bytes);
    for (int i = 0; i < n; i++) { if ((to[i] = accept(l, 0, 0)) < 0) die("accept"); setsockopt(to[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); }
    double before = cpu_us(); began = now();
    for (int k = -warm; k < m; k++) {
        if (k == 0) before = cpu_us();
        for (int i = 0; i < n; i++) if (send(to[i], buf, bytes, 0) != bytes) die("send");
        double left = rate > 0 ? began + (k + warm + 1) / rate - now() : 0.1; if (left > 0) usleep(left * 1e6); }
    double used = cpu_us() - before; int status; waitpid(child, &status, 0);
    printf("{\"readers\":%d,\"messages\":%d,\"frame_bytes\":%d,\"cpu_us_per_delivery\":%.3f}\n", n, m, bytes, used / ((double)n * m));
    return status != 0;
}
