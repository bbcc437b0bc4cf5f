// Asks a server on the loopback interface over one TLS connection, decrypts what comes and throws it away: as little work as there can be.
// Arguments: port, path. Each line of stdin has the fields of one more request, with tabs between them; for each answer stdout has the
// status, the octets of the body, the seconds from asking to the last octet, then the head's lines and an empty one.

#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_AHEAD = 256 * 1024, RECORD = 16 * 1024, LONGEST_HEAD = 64 * 1024 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static void fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static SSL *connect_to(int port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) fail("cannot connect");
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  // Many records with each call of the system: the server is measured, not this.
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD);
  SSL *tls = SSL_new(context);
  SSL_set_fd(tls, descriptor);
  if (SSL_connect(tls) != 1) fail("no TLS");
  return tls;
}

static int get(SSL *tls, char *into, int size) {
  int count = SSL_read(tls, into, size);
  if (count <= 0) fail("the server closed the connection");
  return count;
}

static void ask(SSL *tls, const char *path, char *fields) {
  static char head[LONGEST_HEAD + 1], body[RECORD];
  char request[16 * 1024];
  int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n", path);
  for (char *field = strtok(fields, "\t"); field != NULL && length < (int)sizeof request; field = strtok(NULL, "\t")) {
    length += snprintf(request + length, sizeof request - length, "%s\r\n", field);
  }
  if (length + 2 >= (int)sizeof request) fail("the request is too long");
  strcpy(request + length, "\r\n");
  length += 2;
  double started = now();
  if (SSL_write(tls, request, length) != length) fail("the server takes nothing");
  int have = 0;
  char *end = NULL;
  while (end == NULL) {
    if (have == LONGEST_HEAD) fail("the head has no end");
    have += get(tls, head + have, LONGEST_HEAD - have);
    head[have] = 0;
    end = strstr(head, "\r\n\r\n");
  }
  end[2] = 0;
  char *content = strcasestr(head, "\r\ncontent-length: ");
  if (content == NULL) fail("the answer does not say how long it is");
  long octets = atol(content + 18);
  for (long missing = octets - (have - (end + 4 - head)); missing > 0;) {
    missing -= get(tls, body, missing < RECORD ? (int)missing : RECORD);
  }
  printf("%.3s %ld %.6f\n%s\n", head + 9, octets, now() - started, head);
  fflush(stdout);
}

int main(int count, char **arguments) {
  if (count != 3) fail("tls-reader PORT PATH");
  SSL *tls = connect_to(atoi(arguments[1]));
  char fields[8 * 1024];
  while (fgets(fields, sizeof fields, stdin) != NULL) {
    fields[strcspn(fields, "\n")] = 0;
    ask(tls, arguments[2], fields);
  }
  return 0;
}
