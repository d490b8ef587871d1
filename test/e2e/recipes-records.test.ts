/**
 * The commands of docs/recipes.md, typed as shown, and then observed in logins of the jailed account: what is recorded.
 */
import { describe, expect, test } from "bun:test";
import { openTerminal } from "../machine/terminal.ts";
import { PASSWORD } from "../words/login-shell.ts";
import { home, login, m, must, PROMPT, reloading, setScene, stage, terminal } from "./recipes-machine.ts";
import { allowKey, client, follow, RECIPES, shown } from "./recipes-scene.ts";

setScene();

describe("what did what", () => {
  test("the limited shell logs each command", async () => {
    await must("jk_addjailuser -j /srv/jail dora");
    await must(allowKey("dora", "/srv/jail/home/dora"));
    m.write("/srv/jail/etc/jailkit/jk_lsh.ini", "[dora]\npaths = /usr/bin\nexecutables = /usr/bin/id\n");
    expect(login("id -u", "dora").stdout).toBe(`${m.ids("dora").uid}\n`);
    expect(await must("journalctl -q --no-pager -t jk_chrootsh | grep dora")).toContain("id -u");
  });
});

describe("recording the screen", () => {
  const WITNESS = "/etc/only-outside";

  test("by sudo, from another account", async () => {
    await reloading(() => follow(stage, "What was on the screen"));
    await must(`echo 'anna-login:${PASSWORD}' | chpasswd`);
    const asPassword = ["-o", "BatchMode=no", "-o", "PubkeyAuthentication=no"];
    // The first of two settings counts for ssh.
    const words = client(["-tt"], "anna-login", "");
    words.splice(1, 0, ...asPassword);
    const session = openTerminal(m, words, { env: { TERM: "dumb" } });
    await session.see(/password: $/i);
    session.process.write(`${PASSWORD}\n`);
    await session.see(PROMPT);
    await session.type("echo $USER in $PWD $((6*7))\n", "anna in /home/anna 42");
    await session.type("ls /\n", "proc");
    session.process.write("exit\n");
    expect((await session.process.ended).status).toBe(0);
    const [, id = ""] = /TSID=(\w+)/.exec(await must("sudoreplay -l")) ?? [];
    expect(await must(`sudoreplay -m 0.01 ${id}`)).toContain("anna in /home/anna 42");
    expect(await must("stat -c '%U %a' /var/log/sudo-io")).toBe("root 700");
    // No other way in, and none out.
    expect(login("true").status).toBe(255);
    expect(login("true", "anna-login").status).toBe(255);
    await reloading(() => must("rm /etc/ssh/sshd_config.d/recorded.conf && systemctl reload ssh"));
  });

  test("ForceCommand of the account runs in the jail", async () => {
    m.write(
      "/etc/ssh/sshd_config.d/forced.conf",
      "Match User anna\n    ForceCommand echo by force > ~/where\n",
    );
    await reloading(() => must("systemctl reload ssh"));
    login("true");
    expect(m.read(`${home}/where`)).toBe("by force\n");
    await reloading(() => must("rm /etc/ssh/sshd_config.d/forced.conf && systemctl reload ssh"));
  });

  test("/etc/ld.so.preload of the host does not reach into the jail", async () => {
    m.write(
      "/root/loaded.c",
      `#include <errno.h>
       #include <fcntl.h>
       #include <stdio.h>
       __attribute__((constructor)) static void run(void) {
         char name[100];
         snprintf(name, sizeof name, "/tmp/loaded-%s", program_invocation_short_name);
         open(name, O_CREAT | O_WRONLY, 0666);
       }\n`,
    );
    await must("gcc -D_GNU_SOURCE -shared -fPIC -o /usr/local/lib/loaded.so /root/loaded.c");
    await must("echo /usr/local/lib/loaded.so > /etc/ld.so.preload");
    await must("id");
    const inside = login("id -un; ls /tmp").stdout;
    await must("rm /etc/ld.so.preload");
    expect(m.exists("/tmp/loaded-id")).toBe(true);
    expect(inside).toBe("anna\n");
  });

  test("a recorder as login shell is a way out of the jail", async () => {
    m.write(
      "/usr/local/bin/recorder",
      "#!/bin/sh\nSHELL=/bin/sh exec script -q -c /usr/sbin/jk_chrootsh /dev/null\n",
      { mode: 0o755 },
    );
    m.write(WITNESS, "outside\n");
    const reads = `cat /proc/[0-9]*/root${WITNESS}`;
    expect(login(reads)).toMatchObject({ status: 1, stdout: "" });
    await must("usermod -s /usr/local/bin/recorder anna");
    const recorded = terminal();
    await recorded.see(PROMPT);
    await recorded.type(`${reads}\n`, "outside");
    recorded.process.kill();
    await must("usermod -s /usr/sbin/jk_chrootsh anna");
  });
});

describe("what sftp did", () => {
  const key = ["-i", "/root/key", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"];
  const puts = (user: string, into: string, ...options: string[]) =>
    m.run(["sftp", "-q", ...options, ...key, "-b", "-", `${user}@127.0.0.1`], {
      stdin: `put /etc/hostname ${into}\nrename ${into} ${into}2\nrm ${into}2\n`,
    });
  const seen = async (jail: string, user: string) => {
    let lines = "";
    while (!lines.includes(`session closed for local user ${user} `))
      lines = await must("journalctl -q --no-pager -t sftp-server -t internal-sftp -o cat");
    expect(lines).toContain(`(jail=${jail} uid=${m.ids(user).uid})`);
    return lines;
  };

  test("of a jailed account", async () => {
    await reloading(() => follow(stage, "What sftp did", 0));
    expect(puts("anna", "up")).toMatchObject({ status: 0 });
    const lines = await seen("/srv/jail", "anna");
    for (const what of [
      'open "/home/anna/up" flags WRITE,CREATE',
      'rename old "/home/anna/up"',
      'remove name "/home/anna/up2"',
    ])
      expect(lines).toContain(what);
  });

  test("of a client that asks for sftp-server itself, if the command is forced", async () => {
    const server = "/usr/lib/openssh/sftp-server";
    const lines = () => must("journalctl -q --no-pager -t sftp-server -o cat");
    expect(puts("anna", "unseen", "-s", server)).toMatchObject({ status: 0 });
    expect(await lines()).not.toContain("unseen");
    const forced = shown(RECIPES, `ForceCommand ${server} -f AUTH -l VERBOSE`);
    m.write("/etc/ssh/sshd_config.d/forced.conf", `Match User anna\n    ${forced}\n`);
    await reloading(() => must("systemctl reload ssh"));
    expect(puts("anna", "seen", "-s", server)).toMatchObject({ status: 0 });
    while (!(await lines()).includes('open "/home/anna/seen"'));
  });

  test("of one that sshd confines", async () => {
    m.addUser("carl", { home: "/home/carl", createHome: true });
    await must(allowKey("carl", "/home/carl"));
    await must("install -d -o carl /srv/sftp/in");
    await reloading(() => follow(stage, "What sftp did", 1));
    expect(puts("carl", "/in/up")).toMatchObject({ status: 0 });
    expect(await seen("/srv/sftp", "carl")).toContain('open "/in/up" flags WRITE,CREATE');
  });
});
