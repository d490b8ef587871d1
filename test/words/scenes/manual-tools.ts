import { expect } from "bun:test";
import type { Scene, Stage } from "../scene.ts";
import { addAccount, JAIL, makeJail, makeLimited } from "./jail.ts";

// An error id printed in one block is looked up in the next.
let errorId = "no id";

/** A jail with a program that says itself when it is ready. */
function makeServer({ m }: Stage): void {
  m.addUser("web", { home: "/nonexistent" });
  m.must(["jk_cp", "-j", "/srv/web", "/usr/bin/systemd-notify", "/usr/bin/sleep", "/usr/bin/bash"]);
  m.write(
    "/srv/web/usr/local/bin/server",
    "#!/usr/bin/bash\nexec systemd-notify --ready --exec \\; /usr/bin/sleep 1000\n",
    { mode: 0o755 },
  );
}

/** The pages of the programs. */
export const TOOLS: Readonly<Record<string, Scene>> = {
  "jk_addjailuser.8": {
    boot: true,
    async prepare({ m, shell }) {
      m.must(["groupadd", "--system", "jailed"]);
      await shell.type("ssh-keygen -q -t ed25519 -N '' -f key");
    },
    steps: {
      "jk_init -j /srv/jail jk_lsh sftp": {
        async after({ m, shell }) {
          const { output } = await shell.type("sftp anna@localhost", [[/sftp> $/, "bye"]]);
          expect(output).toContain("Connected to localhost.");
          expect(m.read("/etc/passwd")).toContain(":Anna of accounting:");
        },
      },
      "jk_init -j /srv/jail jk_lsh sftp rsync gitserver": {
        async after({ m, must }) {
          await must("echo hello > letter; rsync -e 'ssh -i key -o BatchMode=yes' letter ben@localhost:");
          expect(m.read(`${JAIL}/home/ben/letter`)).toBe("hello\n");
          expect(m.must(["id", "-nG", "ben"]).stdout).toContain("jailed");
        },
      },
    },
  },
  "jk_check.8": {
    prepare: makeJail(),
    steps: {
      "30 4 * * *  root  /usr/sbin/jk_check": {
        async check({ must }, text) {
          const [, , , , , user, command] = text.split(/\s+/);
          // cron(8) mails what a command prints.
          expect([user, await must(command ?? "")]).toEqual(["root", ""]);
        },
      },
      "jk_check --full /srv/jail": {
        before: ({ m }) => m.must(["chmod", "0777", `${JAIL}/etc`]),
        status: { "jk_check --full /srv/jail": 1 },
        after: ({ m }) => expect(m.run(["jk_check", JAIL])).toMatchObject({ status: 0, stdout: "" }),
      },
    },
  },
  "jk_chrootlaunch.8": {
    boot: true,
    prepare: async ({ m, shell }) => {
      m.write("/root/web.conf", 'server.document-root = "/srv"\nserver.port = 80\n');
      m.write("/srv/web/srv/letter", "hello\n");
      await shell.type("cd /root");
    },
    steps: {
      "jk_init -j /srv/web uidbasics netbasics": {
        after: async ({ must }) => {
          expect(await must("wget -q --retry-connrefused -O - http://127.0.0.1/letter")).toBe("hello");
          expect(await must("ps -o user= -p $(cat /run/web.pid)")).toBe("www-data");
        },
      },
      "[Service]": {
        file: "/etc/systemd/system/server.service",
        before: makeServer,
        async after({ must }) {
          expect(await must("systemd-analyze verify server.service")).toBe("");
          await must("systemctl start server.service");
          expect(await must("systemctl is-active server.service")).toBe("active");
        },
      },
    },
  },
  "jk_chrootsh.8": {
    boot: true,
    prepare(stage) {
      const { m } = stage;
      makeJail(JAIL, "jk_lsh", "sftp")(stage);
      m.write(`${JAIL}/etc/jailkit/jk_lsh.ini`, "[test]\nexecutables = /usr/lib/openssh/sftp-server\n");
      m.addUser("test", { uid: 1001, home: "/home/test", createHome: true });
      m.must(["jk_jailuser", "-m", "-j", JAIL, "test"]);
      stage.allowKey("test", `${JAIL}/home/test`);
    },
    steps: {
      "test:x:1001:1001::/srv/jail/./home/test:/usr/sbin/jk_chrootsh": {
        outputOf: "grep ^test: /etc/passwd",
      },
      "jailkit explain test": {
        after: (_stage, [told]) => expect(told).toContain("A login of test would work"),
      },
      "test:x:1001:1001::/home/test:/usr/sbin/jk_lsh": { outputOf: "grep ^test: /srv/jail/etc/passwd" },
      "jk_chrootsh: refused: the jail is not safe (error id JK-7Q2MX4TA)": {
        before: ({ m }) => m.chmod(JAIL, 0o775),
        outputOf: "ssh test@localhost id",
        async after({ must }, [told = ""]) {
          errorId = /JK-\w+/.exec(told)?.[0] ?? errorId;
          // The journal is written a moment after the refusal.
          await must("journalctl --sync");
        },
      },
      "journalctl -t jk_chrootsh | grep JK-7Q2MX4TA": {
        names: { "JK-7Q2MX4TA": () => errorId },
        after: (_stage, [found]) => expect(found).toContain("remedy: chmod g-w /srv/jail"),
      },
    },
  },
  "jk_cp.8": {
    prepare: (stage) => {
      makeJail()(stage);
      stage.m.write("/usr/share/doc/handbook/index.html", "handbook\n");
    },
    steps: {
      "jk_cp -j /srv/jail cvs /usr/share/doc/handbook": {
        after: ({ m }) => {
          expect(m.must(["chroot", JAIL, "/usr/bin/cvs", "--version"]).stdout).toContain("CVS");
          expect(m.read(`${JAIL}/usr/share/doc/handbook/index.html`)).toBe("handbook\n");
        },
      },
      "jk_cp -j /srv/jail --dry-run vim": {
        after: ({ m }, [told]) => {
          expect(told).toContain("vim");
          expect(m.exists(`${JAIL}/usr/bin/vim`)).toBe(false);
        },
      },
    },
  },
  "jk_init.8": {
    steps: {
      "jk_init -j /srv/jail --why /usr/lib/x86_64-linux-gnu/libz.so.1": {
        after: (_stage, [told]) => expect(told).toContain("rsync"),
      },
      "[report]": {
        file: "/etc/jailkit/jk_init.d/report.ini",
        before: ({ m }) => {
          m.write("/opt/report/bin/report", "#!/bin/sh\ncat /opt/report/share/text\n", { mode: 0o755 });
          m.write("/opt/report/share/text", "report\n");
        },
        after: ({ must }) => must("jailkit config check"),
      },
      "jk_init -j /srv/jail report": {
        after: ({ m }) => expect(m.exists(`${JAIL}/opt/report/share/text`)).toBe(true),
      },
    },
  },
  "jk_jailuser.8": {
    prepare(stage) {
      makeJail(JAIL, "jk_lsh", "sftp")(stage);
      for (const name of ["bob", "carol"]) addAccount(stage, name);
      stage.m.write("/home/bob/letter", "hello\n");
    },
    steps: {
      "jk_jailuser -m -j /srv/jail --policy sftp bob": {
        // There is no sshd that could be asked.
        status: { "jailkit explain bob": 2 },
        after: ({ m }) => expect(m.read(`${JAIL}/home/bob/letter`)).toBe("hello\n"),
      },
      "jk_init -j /srv/jail basicshell": {
        after: async ({ must }) => expect(await must("su carol -c 'cd; pwd'")).toBe("/home/carol"),
      },
      "jk_jailuser -m --unjail -s /bin/bash bob": {
        after: async ({ m, must }) => {
          expect(m.read("/home/bob/letter")).toBe("hello\n");
          expect(await must("su bob -c 'cd; pwd'")).toBe("/home/bob");
        },
      },
    },
  },
  "jk_list.8": {
    prepare(stage) {
      makeJail()(stage);
      stage.m.must(["jk_cp", "-j", JAIL, "/usr/bin/sleep"]);
      stage.m.start(["chroot", JAIL, "/usr/bin/sleep", "1000"]);
      while (stage.m.run(["pgrep", "-x", "sleep"]).status !== 0);
    },
    steps: {
      "jk_list --tree -j /srv/jail": {
        after: (_stage, [told]) => expect(told).toContain("sleep 1000"),
      },
      "jk_list --json -j /srv/jail | jq '.processes[].pid' | xargs -r kill": {
        after: ({ m }) => {
          while (m.run(["pgrep", "-x", "sleep"]).status === 0);
        },
      },
      "jk_list --confinement": {
        after: (_stage, [told]) => expect(told).toBe("No jailed processes found"),
      },
    },
  },
  "jk_lsh.8": {
    boot: true,
    prepare: async (stage) => {
      makeLimited(stage);
      stage.m.write("/root/letter", "hello\n");
      await stage.shell.type("cd /root");
      await stage.shell.type("ssh -o StrictHostKeyChecking=no test@localhost true");
    },
    steps: {
      "$ scp -O letter test@localhost:": {
        status: { "ssh test@localhost sh": 4 },
        after: ({ m }) => expect(m.read(`${JAIL}/home/test/letter`)).toBe("hello\n"),
      },
      "jailkit explain test -- rsync --server -e.LsfxC . dir": {
        after: async ({ must, m }) => {
          await must("rsync letter test@localhost:dir");
          expect(m.read(`${JAIL}/home/test/dir`)).toBe("hello\n");
        },
      },
    },
  },
  "jk_procmailwrapper.8": {
    prepare: (stage) => {
      addAccount(stage, "test");
      makeJail(JAIL, "jk_lsh")(stage);
      stage.m.must(["jk_jailuser", "-m", "-j", JAIL, "test"]);
    },
    steps: {
      "jk_init -j JAIL procmail": { names: { JAIL } },
      'mailbox_command = /usr/sbin/jk_procmailwrapper -a "$EXTENSION"': {
        check({ m }, text) {
          const owner = [m.ids("test").uid, m.ids("test").gid] as const;
          m.write(`${JAIL}/home/test/.procmailrc`, "DEFAULT=$HOME/mail\nX=$1\nLOGFILE=$HOME/log\nLOG=$X\n", {
            owner,
          });
          // As Postfix's local(8) does: by sh, as the recipient, with the mail on its input.
          const command = text.replace("mailbox_command = ", "");
          const env = {
            EXTENSION: "lists",
            PATH: "/usr/bin:/bin",
            HOME: "/home/test",
            USER: "test",
            LOGNAME: "test",
          };
          m.must(["sh", "-c", command], { user: "test", env, stdin: "From: a@b\nSubject: hello\n\ntext\n" });
          expect(m.read(`${JAIL}/home/test/mail`)).toContain("Subject: hello");
          expect(m.read(`${JAIL}/home/test/log`)).toContain("lists");
        },
      },
    },
  },
  "jk_socketd.8": {
    boot: true,
    prepare(stage) {
      stage.m.must(["jk_init", "-j", JAIL, "uidbasics"]);
      stage.m.must(["jk_cp", "-j", JAIL, "/usr/bin/logger", "/dev/null"]);
    },
    steps: {
      "jk_socketd -n --socket=/srv/jail/dev/log --base=4096": {
        another: {
          "jk_socketd -n --socket=/srv/jail/dev/log --base=4096": ({ m }) => m.exists(`${JAIL}/dev/log`),
        },
        async after({ shell }) {
          let found = "";
          while (!found.includes("hello (jail=/srv/jail uid=0)"))
            found = (await shell.type("journalctl --no-pager -n 20")).output;
        },
      },
    },
  },
  "jk_uchroot.8": {
    prepare(stage) {
      const { m } = stage;
      m.must(["groupadd", "-f", "staff"]);
      m.addUser("anna", { gid: "staff", home: "/home/anna", createHome: true, shell: "/bin/bash" });
      m.must(["jk_init", "-j", "/srv/build", "uidbasics"]);
      m.must(["jk_cp", "-j", "/srv/build", "/usr/bin/make", "/usr/bin/touch", "/bin/sh"]);
      for (const [file, pattern] of [
        ["passwd", /^anna:.*\n/m],
        ["group", /^staff:.*\n/m],
      ] as const)
        m.write(
          `/srv/build/etc/${file}`,
          m.read(`/srv/build/etc/${file}`) + (pattern.exec(m.read(`/etc/${file}`))?.[0] ?? ""),
        );
      m.mkdir("/srv/build/src", { owner: [m.ids("anna").uid, m.ids("anna").gid] });
      m.write("/srv/build/src/Makefile", "all:\n\ttouch done\n");
    },
    steps: {
      "[group staff]": {
        file: "/etc/jailkit/jk_uchroot.ini",
        append: true,
        after: ({ must }) => must("jailkit config check"),
      },
      "jk_uchroot -j /srv/build -x /usr/bin/make -- -C /src all": {
        as: "anna",
        after: ({ m }) => expect(m.exists("/srv/build/src/done")).toBe(true),
      },
    },
  },
  "jk_update.8": { prepare: makeJail() },
};
