/*
 * A cable between two network namespaces, in user space: many kernels have no netem. Arguments: the two namespaces. Each gets a
 * device `link0`, 10.77.0.1 and 10.77.0.2. Lines on stdin say what the way from the first to the second is like from now on:
 * "DELAY-US RATE-BYTES/S LOSS-PER-MILLION QUEUE-US DARK". The way back has the delay only. "ready" on stdout when it begins.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 16384
#define LARGEST 1600

struct packet {
  int64_t due;
  int length;
  unsigned char bytes[LARGEST];
};

struct way {
  int from, to;
  int64_t delay, queue, free_at;
  double rate;
  uint32_t loss;
  unsigned head, tail;
  struct packet *ring;
};

static int dark;
static uint64_t dice = 88172645463325252ull;

static uint32_t roll(void) {
  dice ^= dice << 13;
  dice ^= dice >> 7;
  dice ^= dice << 17;
  return (uint32_t)(dice >> 16) % 1000000u;
}

static int64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int open_end(const char *name) {
  char path[256];
  snprintf(path, sizeof path, "/run/netns/%s", name);
  int space = open(path, O_RDONLY);
  if (space < 0 || setns(space, CLONE_NEWNET) != 0) return perror(path), exit(1), -1;
  close(space);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  struct ifreq request;
  memset(&request, 0, sizeof request);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  strcpy(request.ifr_name, "link0");
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0) return perror("/dev/net/tun"), exit(1), -1;
  return fd;
}

static void take(struct way *way, int64_t now) {
  for (int count = 0; count < 64; count++) {
    struct packet *packet = &way->ring[way->tail % SLOTS];
    int length = read(way->from, packet->bytes, LARGEST);
    if (length <= 0) return;
    if (dark || (way->loss > 0 && roll() < way->loss) || way->tail - way->head >= SLOTS - 1) continue;
    int64_t begin = way->free_at > now ? way->free_at : now;
    if (begin - now > way->queue) continue;
    way->free_at = begin + (way->rate > 0 ? (int64_t)(length * 1e6 / way->rate) : 0);
    packet->due = way->free_at + way->delay;
    packet->length = length;
    way->tail++;
  }
}

static int64_t give(struct way *way, int64_t now) {
  while (way->head != way->tail) {
    struct packet *packet = &way->ring[way->head % SLOTS];
    if (packet->due > now) return packet->due;
    if (!dark && write(way->to, packet->bytes, packet->length) < 0) perror("link0");
    way->head++;
  }
  return now + 1000000;
}

int main(int count, char **arguments) {
  if (count != 3) return 2;
  int first = open_end(arguments[1]);
  int second = open_end(arguments[2]);
  struct way there = {.from = first, .to = second, .delay = 25000, .queue = 1000000};
  struct way back = {.from = second, .to = first, .delay = 25000, .queue = 1000000};
  there.ring = calloc(SLOTS, sizeof *there.ring);
  back.ring = calloc(SLOTS, sizeof *back.ring);
  /* Who waits for a core is no part of the network. */
  struct sched_param highest = {.sched_priority = 50};
  sched_setscheduler(0, SCHED_FIFO, &highest);
  puts("ready");
  fflush(stdout);
  for (;;) {
    int64_t now = now_us();
    take(&there, now);
    take(&back, now);
    int64_t next = give(&there, now);
    int64_t other = give(&back, now);
    int64_t wait = (other < next ? other : next) - now_us();
    if (wait < 0) wait = 0;
    struct timespec timeout = {.tv_sec = wait / 1000000, .tv_nsec = wait % 1000000 * 1000};
    struct pollfd polled[3] = {{first, POLLIN, 0}, {second, POLLIN, 0}, {0, POLLIN, 0}};
    ppoll(polled, 3, &timeout, NULL);
    if (polled[2].revents == 0) continue;
    char line[256];
    int length = read(0, line, sizeof line - 1);
    if (length <= 0) return 0;
    line[length] = 0;
    long delay, queue;
    unsigned loss;
    double rate;
    if (sscanf(line, "%ld %lf %u %ld %d", &delay, &rate, &loss, &queue, &dark) != 5) return 2;
    there.delay = back.delay = delay;
    there.rate = rate;
    there.loss = loss;
    there.queue = queue;
    puts("shaped");
    fflush(stdout);
  }
}
