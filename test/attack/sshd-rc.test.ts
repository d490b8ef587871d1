/**
 * What sshd itself starts for a jailed user, outside the jail: /bin/sh for ~/.ssh/rc, and xauth for a display, with the
 * user's variables if its configuration accepts them. Then the remedies that jk_jailuser and README name.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { adviceText } from "../../src/cli/remedy.ts";
import { parseSshdSettings } from "../../src/system/sshd/settings.ts";
import { sshdWarnings } from "../../src/system/sshd/warnings.ts";
import { type Machine, openMachine } from "../machine/machine.ts";

const JAIL = "/home/sftproot";
const LIBRARY = `
#include <fcntl.h>
__attribute__((constructor)) static void run(void) { open("/tmp/outside", O_CREAT | O_WRONLY, 0644); }
`;

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.mkdir(JAIL);
  m.must(["jk_init", "-j", JAIL, "jk_lsh", "rsync"]);
  for (const user of ["rc", "norc", "nodisplay"]) {
    m.must(["jk_addjailuser", "-j", JAIL, user]);
    m.must(["usermod", "-p", "*", user]);
    m.mkdir(`${JAIL}/home/${user}/.ssh`);
    m.write(`${JAIL}/home/${user}/.ssh/rc`, "\n");
  }
  m.write(`${JAIL}/etc/jailkit/jk_lsh.ini`, "[DEFAULT]\nexecutables = /usr/bin/rsync\n");
  m.write("/root/library.c", LIBRARY);
  m.must(["gcc", "-shared", "-fPIC", "-o", `${JAIL}/home/library.so`, "/root/library.c"]);
});
afterAll(() => m?.close());

test("sshd loads a library of the user's outside the jail, unless PermitUserRC and X11Forwarding are off", async () => {
  const remedies = (user: string, settings: string) =>
    warningsFor(user, settings).map(({ advice }) => {
      const [, setting = "", block = ""] = /'(.*)' in a block '(.*)' of/.exec(adviceText(advice)) ?? [];
      return [block, setting];
    });
  const config = [
    ...["AcceptEnv *", "X11Forwarding yes"],
    ...remedies("norc", "acceptenv *\n").flat(),
    ...remedies("nodisplay", "acceptenv *\nx11forwarding yes\n").flat(),
  ];
  const sshd = await m.startSshd({ config });
  m.must(["xauth", "-f", "/root/xauthority", "add", ":7", ".", "0".repeat(32)]);
  const env = ["PATH=/usr/bin:/bin", "HOME=/root", "DISPLAY=:7", "XAUTHORITY=/root/xauthority"];
  const login = (user: string, ...more: string[]) => {
    m.remove("/tmp/outside");
    const options = [...sshd.clientOptions, ...more, "-o", `SetEnv=LD_PRELOAD=${JAIL}/home/library.so`];
    m.run(["ssh", ...options, `${user}@127.0.0.1`, "/usr/bin/rsync --server"], { env });
    return m.stat("/tmp/outside")?.uid;
  };
  expect(login("rc")).toBe(m.ids("rc").uid);
  expect(login("norc")).toBeUndefined();
  // Without ~/.ssh/rc, sshd starts xauth, which PermitUserRC does not prevent.
  expect(login("norc", "-X")).toBe(m.ids("norc").uid);
  expect(login("nodisplay", "-X")).toBeUndefined();
  const told = (user: string) => {
    const where = `user=${user},host=localhost,addr=127.0.0.1`;
    const words = ["/usr/sbin/sshd", "-T", "-C", where];
    return warningsFor(user, m.must(words).stdout).map(({ code }) => code);
  };
  expect(told("rc")).toContain("user-rc");
  expect(told("norc")).not.toContain("user-rc");
  expect(told("norc")).toContain("x11-forwarding");
  expect(told("nodisplay")).not.toContain("x11-forwarding");
});

function warningsFor(user: string, settings: string) {
  return sshdWarnings(parseSshdSettings(settings), user);
}
