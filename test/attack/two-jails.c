/*
 * Two programs in two jails, of which one waits at an abstract socket, `two-jails listen WHAT`, and the other one connects to
 * it, `two-jails connect WHAT`. WHAT is `send`, which sends a descriptor of its root directory, or `receive`, which goes up
 * from the one that it gets, as far as it can, and prints the file etc/outside.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char byte = 'x';
static struct iovec bytes = {&byte, 1};
static union {
  struct cmsghdr header;
  char room[CMSG_SPACE(sizeof(int))];
} control;

static void receive(int other) {
  struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
  message.msg_control = &control, message.msg_controllen = sizeof control;
  if (recvmsg(other, &message, 0) != 1 || message.msg_controllen == 0) errx(1, "nothing came");
  int directory;
  memcpy(&directory, CMSG_DATA(&control.header), sizeof directory);
  if (fchdir(directory) < 0) err(1, "fchdir");
  for (int i = 0; i < 20; i++)
    if (chdir("..") < 0) err(1, "chdir");
  char text[100];
  int file = open("etc/outside", O_RDONLY);
  ssize_t length = file < 0 ? -1 : read(file, text, sizeof text);
  if (length < 0) err(1, "etc/outside");
  printf("%.*s", (int)length, text);
}

static void send_root(int other) {
  int root = open("/", O_RDONLY | O_DIRECTORY);
  struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
  message.msg_control = &control, message.msg_controllen = sizeof control;
  control.header.cmsg_level = SOL_SOCKET, control.header.cmsg_type = SCM_RIGHTS;
  control.header.cmsg_len = CMSG_LEN(sizeof root);
  memcpy(CMSG_DATA(&control.header), &root, sizeof root);
  if (sendmsg(other, &message, 0) != 1) err(1, "sendmsg");
}

int main(int argc, char **argv) {
  static const char name[] = "\0jailkit-two-jails";
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path, name, sizeof name - 1);
  socklen_t length = offsetof(struct sockaddr_un, sun_path) + sizeof name - 1;
  int end = socket(AF_UNIX, SOCK_STREAM, 0);
  if (end < 0) err(1, "socket");
  if (argc < 3) errx(2, "usage");
  if (strcmp(argv[1], "listen") == 0) {
    if (bind(end, (struct sockaddr *)&address, length) < 0) err(1, "bind");
    if (listen(end, 1) < 0) err(1, "listen");
    puts("there");
    fflush(stdout);
    end = accept(end, NULL, NULL);
  } else if (connect(end, (struct sockaddr *)&address, length) < 0) err(1, "connect");
  if (strcmp(argv[2], "send") == 0) send_root(end);
  else receive(end);
}
