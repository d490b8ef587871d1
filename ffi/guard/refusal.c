/* Reports why a program does not start: to the user, and to the host's log. */
#include "guard.h"
#include "syscalls.h"

enum { AF_UNIX = 1, SOCK_DGRAM_CLOEXEC = 02000002, MSG_DONTWAIT_NOSIGNAL = 0x4040 };
enum { ID_LENGTH = 8, LONGEST = 512 };

struct text {
  u64 length;
  char bytes[LONGEST];
};

static void add(struct text *text, const char *more) {
  while (*more && text->length < LONGEST) text->bytes[text->length++] = *more++;
}

static void add_number(struct text *text, u64 number) {
  char digits[21];
  u64 at = sizeof(digits) - 1;
  digits[at] = 0;
  do digits[--at] = (char)('0' + number % 10);
  while (number /= 10);
  add(text, digits + at);
}

/* Eight base-32 digits (RFC 4648, section 6), as in src/enter/refusal.ts. Returns 0 without randomness. */
static int make_id(char *id) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  if (sys3(SYS_getrandom, id, ID_LENGTH, 0) != ID_LENGTH) return 0;
  for (u64 i = 0; i < ID_LENGTH; i++) id[i] = digits[id[i] & 31];
  id[ID_LENGTH] = 0;
  return 1;
}

/*
 * Sends one datagram of syslog(3), facility auth, severity err. The daemon adds the time, since the host's time zone is
 * unknown here. Returns 0 if no daemon took it.
 */
static int write_log(const char *who, const char *reason, const char *id) {
  static const struct {
    u16 family;
    char path[10];
  } log = {AF_UNIX, "/dev/log"};
  struct text line;
  u32 uid[3] = {0, 0, 0};
  line.length = 0;
  sys3(SYS_getresuid, &uid[0], &uid[1], &uid[2]);
  add(&line, "<35>");
  add(&line, who);
  add(&line, "[");
  add_number(&line, (u64)sys0(SYS_getpid));
  add(&line, "]: JK-");
  add(&line, id);
  add(&line, ": uid ");
  add_number(&line, uid[0]);
  add(&line, ": ");
  add(&line, reason);
  i64 fd = sys3(SYS_socket, AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) return 0;
  i64 sent = sys6(SYS_sendto, fd, line.bytes, line.length, MSG_DONTWAIT_NOSIGNAL, &log, sizeof(log));
  sys1(SYS_close, fd);
  return sent == (i64)line.length;
}

int refusal_status(const char *who, int status) {
  static const char mail[] = "jk_procmailwrapper";
  if (status != CANNOT_START) return status;
  for (u64 i = 0; i < sizeof(mail); i++)
    if (who[i] != mail[i]) return status;
  return TRY_AGAIN;
}

void report_refusal(i64 fd, const char *who, const char *reason, int logged) {
  char id[ID_LENGTH + 1];
  struct text line;
  int has_id = logged && make_id(id) && write_log(who, reason, id);
  line.length = 0;
  add(&line, who);
  add(&line, ": ");
  add(&line, reason);
  if (has_id) {
    add(&line, " (error id JK-");
    add(&line, id);
    add(&line, ")");
  }
  add(&line, "\n");
  sys3(SYS_write, fd, line.bytes, line.length);
}
