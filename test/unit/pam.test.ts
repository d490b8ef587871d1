/** Which sessions call pam_systemd: files as distributions have them. */
import { expect, test } from "bun:test";
import { flattened, pamRules } from "../../src/system/pam/rules.ts";
import { callsSystemd, type PamUser } from "../../src/system/sshd/warnings.ts";

const user: PamUser = { name: "u", uid: 1000, shell: "/usr/sbin/jk_chrootsh", groups: ["users", "jailed"] };
const SKIP = "[success=1 default=ignore] pam_succeed_if.so quiet";
const calls = (files: Record<string, string>) =>
  callsSystemd(flattened(pamRules("session", "sshd", (name) => files[name])), user);
const common = (lines: string) => ({
  sshd: "auth required pam_systemd.so\n@include common-session\n",
  "common-session": lines,
});

test.each<[string, boolean, Record<string, string>]>([
  ["Debian's, without", false, common("session required pam_unix.so\n")],
  ["Debian's", true, common("session\trequired\tpam_unix.so\nsession\toptional\tpam_systemd.so \n")],
  [
    "a comment",
    false,
    common("# session optional pam_systemd.so\nsession required pam_unix.so # pam_systemd.so\n"),
  ],
  [
    "Fedora's",
    true,
    {
      sshd: "session include password-auth\n",
      "password-auth": "-session     optional                   /usr/lib64/security/pam_systemd.so\n",
    },
  ],
  ["a substack", true, { sshd: "session substack x\n", x: "session optional pam_systemd.so\n" }],
  ["a service that includes itself", false, { sshd: "session include sshd\n" }],
  ["a line that goes on", true, { sshd: "session optional \\\n  pam_systemd.so\n" }],
  ["a file that is missing", false, common("@include none\n")],
  [
    "jumped over by the shell",
    false,
    common(`session ${SKIP} shell = /usr/sbin/jk_chrootsh\nsession optional pam_systemd.so\n`),
  ],
  ["by a group", false, common(`session ${SKIP} user ingroup x:jailed\nsession optional pam_systemd.so\n`)],
  ["by the name", false, common(`session ${SKIP} user in a:u\nsession optional pam_systemd.so\n`)],
  [
    "two conditions",
    false,
    common(`session ${SKIP} user = u shell in /a:/usr/sbin/jk_chrootsh\nsession optional pam_systemd.so\n`),
  ],
  [
    "of which one does not hold",
    true,
    common(`session ${SKIP} user = u shell = /bin/sh\nsession optional pam_systemd.so\n`),
  ],
  ["another shell", true, common(`session ${SKIP} shell = /bin/sh\nsession optional pam_systemd.so\n`)],
  ["another user", true, common(`session ${SKIP} user != u\nsession optional pam_systemd.so\n`)],
  ["no condition", true, common(`session ${SKIP}\nsession optional pam_systemd.so\n`)],
  [
    "what is not known here",
    true,
    common(`session ${SKIP} use_uid shell = /usr/sbin/jk_chrootsh\nsession optional pam_systemd.so\n`),
  ],
  [
    "jumping too short",
    true,
    common(`session ${SKIP} user = u\nsession required pam_unix.so\nsession optional pam_systemd.so\n`),
  ],
  [
    "jumping far enough",
    false,
    common(
      `session ${SKIP.replace("=1", "=2")} user = u\nsession required pam_unix.so\nsession optional pam_systemd.so\n`,
    ),
  ],
  [
    "not jumping",
    true,
    common("session optional pam_succeed_if.so user = u\nsession optional pam_systemd.so\n"),
  ],
])("%s: %p", (_, expected, files) => {
  expect(calls(files)).toBe(expected);
});
