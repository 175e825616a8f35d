/* fanload: one load generator for every push server, so that all are measured alike.
 *
 * It opens N readers, WebSockets or event streams, on one server, publishes M messages that carry a time stamp, and counts what each
 * reader receives, in which order and how late. It speaks only RFC 6455, HTTP/1.1 and Redis, so it needs nothing of
 * the server under test. Targets must be loopback addresses.
 *
 *   cc -O2 -o fanload fanload.c -lz
 *   ./fanload -u 127.0.0.1:8000/live/storm/ws -n 1000 -m 20 -r 10 -b 500 -s PID \
 *             -P 127.0.0.1:8000/api/stories/storm/posts -H 'Authorization: Bearer …' -d '{"headline":"%T","body":"%B"}'
 *
 * Readers
 *   -u HOST:PORT/PATH  where readers connect          -n N  readers
 *   -i TEXT   text frame each reader sends once open (repeatable)
 *   -e TEXT   a reader is ready once a frame holding TEXT came (repeatable: any of them; default: once it is open)
 *   -S        by Server-Sent Events instead of WebSockets: a message is what came up to an empty line, framing included
 *   -G        by Centrifugo's protocol: -i is its connect command, then its subscribe command; answers its pings; -k recovers
 *   -z        offer permessage-deflate (server_no_context_takeover) and inflate
 *   -H ws:LINE  extra line of the handshake
 *   -c N      connects under way at once (256)        -T S  give up connecting after S seconds (120)
 *   -a K      dial from 127.0.0.K, K+1 … (20,000 readers each; default 1)
 *   -k        who loses its connection comes back from its own position: after the server's `bye.retry_ms`, else after
 *             a random time that doubles (at most 8 s)
 *   -J N -j R N further readers, of which R a second leave and join again; they are not counted
 * Messages
 *   -P HOST:PORT/PATH  publish by HTTP POST           -H LINE  extra request header
 *   -R HOST:PORT -C CHANNEL  by Redis PUBLISH         -U PATH -X FILE -A TEXT  send FILE's ready-made requests (each
 *             after its length as 4 bytes, least first) to a Unix socket; an answer is one TEXT
 *   -d TEMPLATE  body: %T = stamp, %B = filler, %I = message number          -b BYTES  of filler
 *   -m M  messages   -r R  a second (0: as fast as they are accepted)        -E N  connections that publish at once,
 *             each waiting for its answer (1: one connection, 64 requests ahead)
 *   -l S  listen only, at most S seconds: another program publishes the -m messages
 *   -q S  pause between the last connect and the first publish (0.5)         -w S  wait for stragglers (10)
 *   -W N  leave the CPU of the first N messages out (0): new connections cost the server's kernel more
 *   -g    print "ready N" on stderr when all are connected, go on when a line comes on stdin,
 *             print "counting"; print "ready N" again whenever all are back
 * Counting
 *   -s PID   server process (repeatable; descendants count too, each once)   -t TEXT  count frames that hold TEXT
 *
 * A message counts once per reader and frame, by its stamp "@T<nanoseconds>#<number>". "misordered" counts messages
 * that were not the reader's next one; with several connections publishing, next is what came next to the first reader
 * that got so far. Latency is from just before the publish to the moment the reader's bytes were read. CPU is the
 * server's user + system time from the first publish (see -W) to the last delivery. Exit status 0: all delivered, in order.
 *
 * Added to the benchmark this began as: several publishing connections, ready-made requests to a Unix socket, readers
 * that come back and readers that come and go, the gate, frame sizes, words as filler (so that deflate meets text), -W.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum { UNUSED, WAITING, CONNECTING, HANDSHAKE, GREETING, READY, DEAD };
typedef struct { int fd, state; char *buf; size_t len, cap; uint32_t seen, attempt; int64_t seq, due, retry_ms; char last_id[72]; } Reader;
typedef struct { int fd, awaiting; char buf[65536]; size_t len; } Editor;

static char host[64], path[512], phost[64], ppath[512], rhost[64], channel[256];
static const char *upath, *xfile, *answer_text;
static int port, pport, rport, nread = 100, npool, nmsg = 10, nwarm, pad = 512, inflight = 256, sse, offer_deflate, keep, gate, centrifugo, neditors = 1;
static double rate = 10, straggle = 10, settle = 0.5, listen_s, churn_rate, connect_deadline = 120;
static int first_source = 1, pids[64], npids;
static const char *greet[16], *expect[8], *headers[16], *counted_text, *body_template = "{\"t\":\"%T\",\"n\":%I,\"pad\":\"%B\"}";
static int ngreet, nexpect, nheaders;
static long misordered, counted, rejoins, resumed, snapshots, lost, failed, churned, joined;
static int ready_count, dead_count, pool_ready, underway, waiting;
static int64_t deliveries, warm_deliveries, frame_bytes, bytes_in, first_delivery, last_delivery;
static int measuring, ep;
static Reader *readers;
static Editor *editors;
static int32_t *order, norder;
static char epoch[80];
static float *lat; static size_t nlat, caplat;
static unsigned seed = 12345;

static int64_t now(void) { struct timespec t; clock_gettime(CLOCK_REALTIME, &t); return t.tv_sec * 1000000000LL + t.tv_nsec; }
static double chance(void) { return rand_r(&seed) / (RAND_MAX + 1.0); }
static void die(const char *m) { fprintf(stderr, "fanload: %s%s%s\n", m, errno ? ": " : "", errno ? strerror(errno) : ""); exit(2); }

static void split(const char *s, char *h, int *p, char *rest) {
    const char *c = strchr(s, ':'); if (!c) die("want HOST:PORT[/PATH]");
    memcpy(h, s, c - s); h[c - s] = 0; *p = atoi(c + 1);
    if (strncmp(h, "127.", 4)) die("only loopback addresses are measured");
    const char *sl = strchr(c, '/'); if (rest) strcpy(rest, sl ? sl : "/");
}

/* The server's processes */
static int visited[4096], nvisited;
static long cpu_of(int pid, long *rss_kb) { /* clock ticks of pid and its descendants that were not visited yet */
    for (int i = 0; i < nvisited; i++) if (visited[i] == pid) return 0;
    if (nvisited < 4096) visited[nvisited++] = pid;
    char f[64], b[4096]; snprintf(f, sizeof f, "/proc/%d/stat", pid);
    FILE *fp = fopen(f, "r"); if (!fp) return 0;
    size_t n = fread(b, 1, sizeof b - 1, fp); b[n] = 0; fclose(fp);
    char *p = strrchr(b, ')'); long ut, st, rss;
    if (!p || sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld %*d %*d %*d %*d %*d %*d %*u %*u %ld", &ut, &st, &rss) != 3) return 0;
    long total = ut + st; *rss_kb += rss * (sysconf(_SC_PAGESIZE) / 1024);
    snprintf(f, sizeof f, "/proc/%d/task", pid); DIR *d = opendir(f); struct dirent *e;
    while (d && (e = readdir(d))) { if (e->d_name[0] == '.') continue;
        char g[400]; snprintf(g, sizeof g, "/proc/%d/task/%s/children", pid, e->d_name);
        FILE *c = fopen(g, "r"); int k; if (!c) continue; while (fscanf(c, "%d", &k) == 1) total += cpu_of(k, rss_kb); fclose(c); }
    if (d) closedir(d);
    return total;
}
static long cpu_all(long *rss) { *rss = 0; nvisited = 0; long t = 0; for (int i = 0; i < npids; i++) t += cpu_of(pids[i], rss); return t; }

/* Sockets */
static int dial(const char *h, int p, int block, int idx) {
    int fd = socket(AF_INET, SOCK_STREAM | (block ? 0 : SOCK_NONBLOCK), 0), one = 1; if (fd < 0) die("socket");
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(p)}; inet_pton(AF_INET, h, &a.sin_addr);
    if (!block) { /* spread readers over loopback source addresses: one has 28k ports */
        struct sockaddr_in s = {.sin_family = AF_INET}; char sh[32]; snprintf(sh, sizeof sh, "127.0.0.%d", first_source + idx / 20000);
        inet_pton(AF_INET, sh, &s.sin_addr);
        setsockopt(fd, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &one, sizeof one);
        if (bind(fd, (void *)&s, sizeof s)) die("bind"); }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (void *)&a, sizeof a) < 0 && errno != EINPROGRESS) { if (block) die("connect"); close(fd); return -1; }
    return fd;
}
static int dial_unix(const char *at) {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0); struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(at) >= sizeof a.sun_path) die("socket path too long"); strcpy(a.sun_path, at);
    if (connect(fd, (void *)&a, sizeof a)) die(at); return fd;
}
static int in_pool(Reader *r) { return r - readers >= nread; }
static void watch(Reader *r, uint32_t ev, int op) { struct epoll_event e = {.events = ev, .data.u32 = r - readers}; epoll_ctl(ep, op, r->fd, &e); }
static void let_go(Reader *r) { /* close, whatever state it is in; the caller sets the next one */
    if (r->state == READY) { if (in_pool(r)) pool_ready--; else ready_count--; }
    if (r->state >= CONNECTING && r->state <= GREETING) underway--;
    if (r->fd >= 0) close(r->fd); r->fd = -1; free(r->buf); r->buf = 0; r->len = r->cap = 0;
}
static void drop(Reader *r) { /* the server, or the line, ended it */
    if (r->state == DEAD || r->state == WAITING) return;
    int was = r->state; let_go(r);
    if (in_pool(r)) { r->state = UNUSED; return; }
    if (!keep) { r->state = DEAD; dead_count++; return; }
    if (was == READY) lost++;
    double wait_ms = r->retry_ms ? r->retry_ms : chance() * (r->attempt < 3 ? 1000 << r->attempt : 8000);
    r->retry_ms = 0; r->attempt++; r->due = now() + (int64_t)(wait_ms * 1e6); r->state = WAITING; waiting++;
}
static void begin(Reader *r) {
    if (r->state == WAITING) waiting--;
    r->fd = dial(host, port, 0, r - readers); r->state = CONNECTING; underway++;
    if (r->fd < 0) drop(r); else watch(r, EPOLLOUT, EPOLL_CTL_ADD);
}

/* RFC 6455 */
static void send_frame(Reader *r, int op, const char *t, size_t n) {
    unsigned char h[14]; int k = 2; h[0] = 0x80 | op;
    if (n < 126) h[1] = 0x80 | n; else { h[1] = 0x80 | 126; h[2] = n >> 8; h[3] = n; k = 4; }
    memset(h + k, 0, 4); k += 4; /* a zero mask leaves the payload as it is */
    char *out = malloc(k + n); memcpy(out, h, k); memcpy(out + k, t, n);
    if (write(r->fd, out, k + n) < 0 && errno != EAGAIN) drop(r); free(out);
}
static void become_ready(Reader *r) {
    underway--; r->state = READY; r->attempt = 0;
    if (in_pool(r)) { pool_ready++; if (measuring) joined++; return; }
    ready_count++; if (measuring) rejoins++;
    if (measuring && ready_count == nread) fprintf(stderr, "ready %d\n", ready_count);
}
static void opened(Reader *r) {
    r->state = GREETING;
    if (centrifugo && r->seq) { char g[300]; int n = snprintf(g, sizeof g, "{\"id\":2,\"subscribe\":{\"channel\":\"live\",\"recover\":true,\"epoch\":\"%s\",\"offset\":%lld}}", epoch, (long long)r->seq);
        send_frame(r, 1, greet[0], strlen(greet[0])); if (r->state == GREETING) send_frame(r, 1, g, n); return; }
    for (int i = 0; i < ngreet && r->state == GREETING; i++) send_frame(r, 1, greet[i], strlen(greet[i]));
    if (r->state == GREETING && !nexpect) become_ready(r);
}
static void ask(Reader *r) {
    char q[2000], where[128] = "";
    if (sse) { int m = snprintf(q, sizeof q, "GET %s HTTP/1.1\r\nHost: %s:%d\r\nAccept: text/event-stream\r\n", path, host, port);
        if (keep && *r->last_id) m += snprintf(q + m, sizeof q - m, "Last-Event-ID: %s\r\n", r->last_id);
        m += snprintf(q + m, sizeof q - m, "\r\n"); if (write(r->fd, q, m) < 0) { drop(r); return; }
        r->state = HANDSHAKE; watch(r, EPOLLIN, EPOLL_CTL_MOD); return; }
    if (keep && r->seq && !centrifugo) snprintf(where, sizeof where, "?epoch=%s&seq=%lld", epoch, (long long)r->seq);
    int m = snprintf(q, sizeof q, "GET %s%s HTTP/1.1\r\nHost: %s:%d\r\nOrigin: http://%s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s",
        path, where, host, port, host, port, offer_deflate ? "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits\r\n" : "");
    for (int h = 0; h < nheaders; h++) if (!strncasecmp(headers[h], "ws:", 3)) m += snprintf(q + m, sizeof q - m, "%s\r\n", headers[h] + 3);
    m += snprintf(q + m, sizeof q - m, "\r\n"); if (write(r->fd, q, m) < 0) { drop(r); return; }
    r->state = HANDSHAKE; watch(r, EPOLLIN, EPOLL_CTL_MOD);
}
static void count_stamps(Reader *r, char *p, size_t n, size_t wire, int64_t t) {
    int last = -1; char *m = memmem(p, n, "@T", 2);
    while (m) { /* several messages may share a frame; one message may show its stamp twice */
        int64_t stamp = strtoll(m + 2, &m, 10); int id = *m == '#' ? atoi(m + 1) : -1;
        if (stamp > 0 && id >= 0 && id < nmsg && id != last) {
            last = id;
            if (neditors == 1) { if ((uint32_t)id != r->seen) misordered++; r->seen = id + 1; }
            else if (r->seen >= (uint32_t)nmsg) misordered++;
            else { if ((int)r->seen == norder) order[norder++] = id; else if (order[r->seen] != id) misordered++; r->seen++; }
            if (nlat == caplat) { caplat = caplat ? caplat * 2 : 1 << 16; lat = realloc(lat, caplat * sizeof *lat); }
            lat[nlat++] = (t - stamp) / 1e6; deliveries++; frame_bytes += wire; wire = 0; last_delivery = t; if (!first_delivery) first_delivery = t; }
        m = memmem(m, p + n - m, "@T", 2); }
}
static void on_message(Reader *r, char *p, size_t n, size_t wire, int64_t t) {
    if (centrifugo && n == 2) { send_frame(r, 1, p, 2); return; } /* a ping is {}, and so is its answer */
    if (keep && centrifugo) { char *e = memmem(p, n, "\"epoch\":\"", 9), *o = p, *l = 0;
        if (e && !*epoch) { char *q = memchr(e + 9, '"', 70); if (q) memcpy(epoch, e + 9, q - e - 9); }
        while ((o = memmem(o, p + n - o, "\"offset\":", 9))) l = o += 9;
        if (l) r->seq = atoll(l);
        if (measuring && memmem(p, n, "\"recovered\":true", 16)) resumed++; }
    else if (keep && sse) { char *l = 0, *o = p, *b = memmem(p, n, "retry: ", 7);
        while ((o = memmem(o, p + n - o, "id: ", 4))) { if (o == p || o[-1] == '\n') l = o + 4; o += 4; }
        if (l) { size_t k = strcspn(l, "\r\n"); if (k < sizeof r->last_id) { memcpy(r->last_id, l, k); r->last_id[k] = 0; } }
        if (b && memmem(p, n, "event: bye", 10)) r->retry_ms = atoll(b + 7) + 1;
        if (measuring && memmem(p, n, "event: resumed", 14)) resumed++; else if (measuring && memmem(p, n, "event: snapshot", 15)) snapshots++; }
    else if (keep) { /* the native stream's own words */
        size_t head = n < 160 ? n : 160; char *e = memmem(p, head, "\"epoch\":\"", 9), *s = memmem(p, head, "\"seq\":", 6), *b = memmem(p, head, "\"retry_ms\":", 11);
        if (e && s) { r->seq = atoll(s + 6); if (!*epoch) { char *q = memchr(e + 9, '"', 70); if (q) memcpy(epoch, e + 9, q - e - 9); } }
        if (b) r->retry_ms = atoll(b + 11) + 1;
        if (measuring && memmem(p, head, "\"resumed\"", 9)) resumed++; else if (measuring && memmem(p, head, "\"snapshot\"", 10)) snapshots++; }
    if (counted_text && !in_pool(r) && memmem(p, n, counted_text, strlen(counted_text))) counted++;
    if (measuring && !in_pool(r)) count_stamps(r, p, n, wire, t);
    for (int k = 0; r->state == GREETING && k < nexpect; k++) if (memmem(p, n, expect[k], strlen(expect[k]))) become_ready(r);
}
static void on_deflated(Reader *r, char *p, size_t n, size_t wire, int64_t t) { /* RFC 7692 7.2.2; a fresh context each message */
    static z_stream z; static int made; static unsigned char out[1 << 22];
    if (!made++) inflateInit2(&z, -15); else inflateReset(&z);
    z.next_in = (void *)p; z.avail_in = n; z.next_out = out; z.avail_out = sizeof out; inflate(&z, Z_SYNC_FLUSH);
    z.next_in = (void *)"\0\0\377\377"; z.avail_in = 4; inflate(&z, Z_SYNC_FLUSH);
    on_message(r, (char *)out, sizeof out - z.avail_out, wire, t);
}
static char scratch[1 << 18];
static void on_readable(Reader *r) {
    for (;;) {
        ssize_t n = read(r->fd, scratch, sizeof scratch);
        if (n == 0) { drop(r); return; }
        if (n < 0) { if (errno == EAGAIN) return; drop(r); return; }
        int64_t t = now(); bytes_in += n; char *p = scratch; size_t left = n;
        if (r->len) { if (r->len + n > r->cap) { r->cap = r->len + n + 4096; r->buf = realloc(r->buf, r->cap); }
            memcpy(r->buf + r->len, scratch, n); r->len += n; p = r->buf; left = r->len; }
        if (r->state == HANDSHAKE) {
            char *e = memmem(p, left, "\r\n\r\n", 4);
            if (e) { if (memcmp(p, sse ? "HTTP/1.1 200" : "HTTP/1.1 101", 12)) { static int once; if (!once++) fprintf(stderr, "fanload: refused: %.60s\n", p); drop(r); return; }
                left -= e + 4 - p; p = e + 4; opened(r); if (r->state < GREETING || r->state == DEAD) return; } }
        if (r->state >= GREETING && sse) { /* whole blocks: up to the last empty line */
            char *q = p, *e = 0; while ((q = memmem(q, p + left - q, "\n\n", 2))) e = q += 2;
            if (e) { on_message(r, p, e - p, e - p, t); if (r->state < GREETING || r->state == DEAD) return; left -= e - p; p = e; } }
        else if (r->state >= GREETING) for (;;) {
            if (left < 2) break;
            unsigned char *u = (void *)p; uint64_t len = u[1] & 127; size_t hd = 2;
            if (len == 126) { if (left < 4) break; len = u[2] << 8 | u[3]; hd = 4; }
            else if (len == 127) { if (left < 10) break; len = 0; for (int k = 2; k < 10; k++) len = len << 8 | u[k]; hd = 10; }
            if (left < hd + len) break;
            int op = u[0] & 15;
            if (op == 9) send_frame(r, 10, p + hd, len); else if (op == 8) { drop(r); return; }
            else if (op <= 2 && (u[0] & 0x40)) on_deflated(r, p + hd, len, hd + len, t); else if (op <= 2) on_message(r, p + hd, len, hd + len, t);
            if (r->state < GREETING || r->state == DEAD) return;
            p += hd + len; left -= hd + len; }
        if (left && p != r->buf) { if (left > r->cap) { char *nb = malloc(left + 4096); memcpy(nb, p, left); free(r->buf); r->buf = nb; r->cap = left + 4096; } else memmove(r->buf, p, left); }
        r->len = left; if (!left && r->buf) { free(r->buf); r->buf = 0; r->cap = 0; }
        if (n < (ssize_t)sizeof scratch) return;
    }
}

/* The crowd */
static int started, next_churn; static int64_t churn_from, looked;
static void start_some(void) { while (started < nread + npool && underway < inflight) begin(&readers[started++]); }
static void come_back(int64_t t) {
    if (!waiting || t - looked < 2000000) return; looked = t;
    for (int i = 0; i < nread && underway < inflight; i++) if (readers[i].state == WAITING && readers[i].due <= t) begin(&readers[i]);
}
static void churn(int64_t t) {
    if (!churn_from) return;
    for (long due = (t - churn_from) / 1e9 * churn_rate; churned < due; churned++) {
        Reader *r = &readers[nread + next_churn]; next_churn = (next_churn + 1) % npool;
        if (r->state >= CONNECTING && r->state < READY) continue; /* still on its way in */
        if (r->state == READY && churned % 2) send_frame(r, 8, "\003\350", 2); /* every other one says goodbye first */
        if (r->state != UNUSED) let_go(r);
        begin(r); }
}
static void pump(int ms) {
    struct epoll_event ev[512]; int n = epoll_wait(ep, ev, 512, ms);
    for (int k = 0; k < n; k++) { Reader *r = &readers[ev[k].data.u32];
        if (r->state == CONNECTING) {
            int err = 0; socklen_t l = sizeof err; getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &err, &l); if (err) drop(r); else ask(r);
        } else if (r->state >= HANDSHAKE && r->state != DEAD) on_readable(r); }
    if (waiting || npool) { int64_t t = now(); come_back(t); churn(t); }
}

/* Messages */
static const char *words[] = {"harbour", "the", "of", "police", "north", "bridge", "said", "water", "on", "council", "a", "rising", "storm", "after",
    "lighthouse", "evening", "and", "crew", "were", "moved", "inland", "by", "residents", "road", "closed", "until", "spokeswoman", "in", "morning", "wind",
    "reported", "that", "two", "ferries", "waited", "outside", "school", "for", "nobody", "hurt", "engineers", "with", "power", "lines", "repaired", "mayor"};
static int filler(char *o, int n, int id) { /* words in an order that differs from message to message */
    unsigned s = 977u * id + 13; int done = 0;
    while (done < n) { s = s * 1103515245u + 12345u; const char *w = words[(s >> 16) % (sizeof words / sizeof *words)];
        while (*w && done < n) o[done++] = *w++; if (done < n) o[done++] = ' '; }
    if (n) { o[0] = 'x'; o[n - 1] = 'x'; } /* an edge of spaces would be trimmed by some */
    return n;
}
static size_t fill(char *out, int id, int64_t t) {
    char *o = out; for (const char *s = body_template; *s; s++) {
        if (*s == '%' && s[1] == 'T') { o += sprintf(o, "@T%019lld#%d", (long long)t, id); s++; }
        else if (*s == '%' && s[1] == 'I') { o += sprintf(o, "%d", id); s++; }
        else if (*s == '%' && s[1] == 'B') { o += filler(o, pad, id); s++; }
        else *o++ = *s; }
    *o = 0; return o - out;
}
static char *made; static size_t made_at, made_len;
static void load_requests(void) {
    FILE *f = fopen(xfile, "rb"); if (!f) die(xfile); fseek(f, 0, SEEK_END); made_len = ftell(f); rewind(f);
    made = malloc(made_len + 1); if (fread(made, 1, made_len, f) != made_len) die(xfile); fclose(f);
}
static char *request(int id, int64_t t, size_t *size) { /* the bytes of message `id`, stamped with t */
    static char *req, *body; if (!req) { size_t most = pad + 32768 + strlen(body_template); body = malloc(most); req = malloc(most); }
    if (xfile) { uint32_t n; if (made_at + 4 > made_len) die("-X has too few requests"); memcpy(&n, made + made_at, 4); char *p = made + made_at + 4, *m; made_at += 4 + n;
        char stamp[24]; snprintf(stamp, sizeof stamp, "%019lld", (long long)t);
        for (m = p; (m = memmem(m, p + n - m, "@T", 2)); m += 2) memcpy(m + 2, stamp, 19);
        *size = n; return p; }
    size_t n = fill(body, id, t); int m;
    if (pport) { m = sprintf(req, "POST %s HTTP/1.1\r\nHost: %s:%d\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n", ppath, phost, pport, n);
        for (int h = 0; h < nheaders; h++) if (strncasecmp(headers[h], "ws:", 3)) m += sprintf(req + m, "%s\r\n", headers[h]);
        m += sprintf(req + m, "\r\n"); }
    else m = sprintf(req, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(channel), channel, n);
    memcpy(req + m, body, n); m += n; if (!pport) { memcpy(req + m, "\r\n", 2); m += 2; }
    *size = m; return req;
}
static void hang_up(Editor *e) { if (e->awaiting) failed += e->awaiting; close(e->fd); e->fd = -1; e->awaiting = 0; e->len = 0; }
static void hear(Editor *e) { /* answers */
    if (e->fd < 0 || !e->awaiting) return;
    ssize_t n = read(e->fd, e->buf + e->len, sizeof e->buf - 1 - e->len);
    if (n == 0) { hang_up(e); return; }
    if (n < 0) return;
    e->len += n; e->buf[e->len] = 0; char *p = e->buf, *end = p + e->len, *q;
    size_t k = strlen(answer_text);
    while ((q = memmem(p, end - p, answer_text, k)) && q + k + 1 <= end) {
        if (pport && q[k] != '2') { if (!failed++) fprintf(stderr, "fanload: publish answered %.40s\n", q + k); }
        e->awaiting--; p = q + k; }
    if (!pport && (e->buf[0] == '-' || strstr(e->buf, "\r\n-"))) { fprintf(stderr, "fanload: publish answered %.80s\n", e->buf); failed++; hang_up(e); return; }
    if (pport && strstr(e->buf, "onnection: close")) { e->awaiting = 0; hang_up(e); return; }
    size_t left = end - p; if (left > k) left = k; /* the beginning of the next answer may have come */
    memmove(e->buf, end - left, left); e->len = left;
}
static int send_all(Editor *e, const char *p, size_t n) {
    while (n) { ssize_t w = write(e->fd, p, n); if (w > 0) { p += w; n -= w; } else if (errno == EAGAIN) { pump(1); hear(e); if (e->fd < 0) return 0; } else { hang_up(e); return 0; } }
    return 1;
}
static Editor *free_editor(void) { int most = neditors > 1 ? 1 : 64; for (int i = 0; i < neditors; i++) if (editors[i].awaiting < most) return &editors[i]; return 0; }
static void wait_gate(void) {
    fprintf(stderr, "ready %d\n", ready_count); fcntl(0, F_SETFL, O_NONBLOCK); char c[64];
    for (;;) { ssize_t n = read(0, c, sizeof c); if (n >= 0) break; pump(5); }
    fprintf(stderr, "counting\n");
}
static int cmp(const void *a, const void *b) { float x = *(float *)a, y = *(float *)b; return x < y ? -1 : x > y; }

int main(int argc, char **argv) {
    int c; while ((c = getopt(argc, argv, "u:n:i:e:P:H:R:C:U:X:A:d:m:r:b:s:c:w:q:l:a:j:J:E:T:t:W:zkgGS")) != -1) switch (c) {
        case 'u': split(optarg, host, &port, path); break; case 'n': nread = atoi(optarg); break;
        case 'i': greet[ngreet++] = optarg; break; case 'e': expect[nexpect++] = optarg; break;
        case 'P': split(optarg, phost, &pport, ppath); break; case 'H': headers[nheaders++] = optarg; break;
        case 'R': split(optarg, rhost, &rport, 0); break; case 'C': strcpy(channel, optarg); break;
        case 'U': upath = optarg; break; case 'X': xfile = optarg; break; case 'A': answer_text = optarg; break;
        case 'd': body_template = optarg; break; case 'm': nmsg = atoi(optarg); break; case 'r': rate = atof(optarg); break;
        case 'b': pad = atoi(optarg); break; case 's': pids[npids++] = atoi(optarg); break;
        case 'c': inflight = atoi(optarg); break; case 'w': straggle = atof(optarg); break; case 'z': offer_deflate = 1; break;
        case 'q': settle = atof(optarg); break; case 'l': listen_s = atof(optarg); break; case 'a': first_source = atoi(optarg); break;
        case 'j': churn_rate = atof(optarg); break; case 'J': npool = atoi(optarg); break; case 'E': neditors = atoi(optarg); break;
        case 'T': connect_deadline = atof(optarg); break; case 't': counted_text = optarg; break; case 'W': nwarm = atoi(optarg); break;
        case 'k': keep = 1; break; case 'g': gate = 1; break; case 'S': sse = 1; break; case 'G': centrifugo = 1; break; default: return 2; }
    errno = 0; if (!port) die("give -u"); if (!pport && !rport && !upath && nmsg && !listen_s) die("give -P, -R, -U or -l");
    if (!answer_text) answer_text = pport ? "HTTP/1.1 " : ":"; if (xfile) load_requests();
    struct rlimit rl; getrlimit(RLIMIT_NOFILE, &rl); rl.rlim_cur = rl.rlim_max; setrlimit(RLIMIT_NOFILE, &rl);
    readers = calloc(nread + npool, sizeof *readers); editors = calloc(neditors, sizeof *editors); order = calloc(nmsg + 1, sizeof *order);
    for (int i = 0; i < neditors; i++) editors[i].fd = -1;
    ep = epoll_create1(0); seed += getpid();
    long rss0, rss1, rss2, cpu_a = cpu_all(&rss0); int64_t t0 = now();
    while (ready_count + dead_count < nread || pool_ready < npool) { start_some(); pump(50); if (now() - t0 > connect_deadline * 1e9) break; }
    double connect_s = (now() - t0) / 1e9; long cpu_b = cpu_all(&rss1); int connected = ready_count;
    double connect_cpu = cpu_b - cpu_a; /* before the pause: it may be long */
    for (int64_t e = now() + (int64_t)(settle * 1e9); now() < e;) pump(20);
    cpu_b = cpu_all(&rss1); int64_t first = 0; double hz = sysconf(_SC_CLK_TCK); measuring = 1;
    if (gate) wait_gate();
    if (npool) churn_from = now();
    int64_t expected = (int64_t)connected * nmsg, began = now();
    if (pool_ready < npool) fprintf(stderr, "fanload: %d of %d further readers came in\n", pool_ready, npool);
    if (listen_s) { for (int64_t e = began + (int64_t)(listen_s * 1e9); now() < e && (!nmsg || deliveries < expected);) { if (!first_delivery) cpu_b = cpu_all(&rss1); pump(10); }
        first = first_delivery; straggle = 0; }
    else for (int id = 0; id < nmsg && now() - began < 600e9;) {
        for (int i = 0; i < neditors; i++) hear(&editors[i]);
        int64_t t = now(), due = first + (rate > 0 ? (int64_t)(id * 1e9 / rate) : 0); Editor *e = free_editor();
        if (!e || (first && t < due)) { pump(!e ? 1 : due - t > 1000000 ? 1 : 0); continue; }
        if (e->fd < 0) { e->fd = upath ? dial_unix(upath) : dial(pport ? phost : rhost, pport ? pport : rport, 1, 0); fcntl(e->fd, F_SETFL, O_NONBLOCK); }
        if (!first) { cpu_b = cpu_all(&rss1); first = now(); }
        if (id == nwarm && id) { long rss; cpu_b = cpu_all(&rss); warm_deliveries = deliveries; }
        size_t n; char *p = request(id, now(), &n); e->awaiting++; id++;
        if (send_all(e, p, n) && rate <= 0) pump(0); }
    for (int64_t end = now() + (int64_t)(straggle * 1e9); deliveries < expected && now() < end;) { pump(10); for (int i = 0; i < neditors; i++) hear(&editors[i]); }
    for (int64_t end = now() + 2000000000LL; now() < end;) { int open = 0; for (int i = 0; i < neditors; i++) { hear(&editors[i]); open += editors[i].awaiting; } if (!open) break; pump(1); }
    long cpu_c = cpu_all(&rss2); double span = (last_delivery - first) / 1e9;
    qsort(lat, nlat, sizeof *lat, cmp);
#define Q(q) (nlat ? lat[(size_t)((nlat - 1) * (q))] : -1)
#define PER(n) ((n) ? (double)(n) : 1.0)
    printf("{\"readers\":%d,\"connected\":%d,\"dropped\":%d,\"connect_s\":%.3f,\"connects_per_s\":%.0f,\"connect_cpu_us\":%.1f,\"rss_kb_per_reader\":%.3f,"
           "\"messages\":%d,\"publish_failed\":%ld,\"misordered\":%ld,\"deliveries\":%lld,\"expected\":%lld,\"span_s\":%.3f,\"deliveries_per_s\":%.0f,"
           "\"ms_p50\":%.2f,\"ms_p99\":%.2f,\"ms_max\":%.2f,\"cpu_us_per_delivery\":%.3f,\"frame_bytes\":%.1f,\"mb_in\":%.1f,\"server_rss_mb\":%.1f,"
           "\"counted\":%ld,\"churned\":%ld,\"joined\":%ld,\"lost\":%ld,\"rejoins\":%ld,\"resumed\":%ld,\"snapshots\":%ld,\"first_ns\":%lld,\"last_ns\":%lld}\n",
           nread, connected, dead_count, connect_s, connected / connect_s, connect_cpu / hz * 1e6 / PER(connected), (rss1 - rss0) / PER(connected),
           nmsg, failed, misordered, (long long)deliveries, (long long)expected, span, span > 0 ? deliveries / span : 0, Q(.5), Q(.99), Q(1.0),
           (cpu_c - cpu_b) / hz * 1e6 / PER(deliveries - warm_deliveries), frame_bytes / PER(deliveries), bytes_in / 1e6, rss2 / 1024.0,
           counted, churned, joined, lost, rejoins, resumed, snapshots, (long long)first, (long long)last_delivery);
    return deliveries == expected && !failed && !misordered && connected == nread ? 0 : 1;
}
