import { expect } from "bun:test";
import { SYSTEM_GROUPS } from "../../../src/confine/directories.ts";
import type { Scene, Stage } from "../scene.ts";
import { addAccount, JAIL, makeJail } from "./jail.ts";

const checked = ({ must }: Stage) => must("jailkit config check");
const LSH = `${JAIL}/etc/jailkit/jk_lsh.ini`;

/** Makes an example for one account that for anna, in the jail. */
async function forAnna(stage: Stage, section: string): Promise<void> {
  stage.m.write(LSH, `${section.replace(/^\[.*\]$/m, "[anna]")}\n`);
  await checked(stage);
}

/** Pushes a commit to a repository of john's, by root's git and ssh, and takes it back. */
async function pushAndFetch({ m, must }: Stage, name: string): Promise<void> {
  m.must(["git", "init", "-q", "--bare", `${JAIL}/home/john/${name}`]);
  m.must(["chown", "-R", "john:", `${JAIL}/home/john/${name}`]);
  await must("git config --global user.name Me; git config --global user.email me@example.org");
  await must(
    `git init -q /root/${name}; cd /root/${name}; echo text > file; git add file; git commit -qm one`,
  );
  await must(`git push -q john@localhost:${name} HEAD:refs/heads/main`);
  await must(`git ls-remote --exit-code john@localhost:${name} refs/heads/main; cd`);
}

/** The pages of the configuration files. */
export const FILES: Readonly<Record<string, Scene>> = {
  "jails.ini.5": {
    prepare: ({ m }) => m.must(["groupadd", "-f", "jailed"]),
    steps: {
      "[jail /srv/customers/c1]": {
        file: "/etc/jailkit/jails.d/c1.ini",
        after: async (stage) => {
          await checked(stage);
          await stage.must("jailkit apply");
          // Who may read something by the limited shell must be able to by the modes of files, too.
          const [, place] = /^read = (.*)$/m.exec(stage.m.read("/etc/jailkit/jails.d/c1.ini")) ?? [];
          await stage.must(`runuser -u mirror -- ls /srv/customers/c1${place}`);
        },
      },
      "[user bert]": { file: "/etc/jailkit/jails.d/c1.ini", append: true, after: checked },
    },
  },
  "jk_check.ini.5": {
    prepare: makeJail(),
    steps: {
      "[/srv/jail]": {
        file: "/etc/jailkit/jk_check.ini",
        append: true,
        before: ({ m }) => {
          m.remove("/var/lib/jailkit");
          m.mkdir(`${JAIL}/home/shared`, { mode: 0o775 });
          m.write(`${JAIL}/etc/issue`, "this is a jail\n");
          for (const place of ["", JAIL]) m.write(`${place}/usr/bin/ping`, "a program\n", { mode: 0o4755 });
          const { stdout } = m.run(["jk_check", JAIL]);
          for (const name of ["home/shared", "usr/bin/ping", "etc/issue"]) expect(stdout).toContain(name);
        },
        after: async (stage) => {
          await checked(stage);
          expect(stage.m.run(["jk_check", JAIL])).toMatchObject({ status: 0, stdout: "" });
        },
      },
    },
  },
  "jk_chrootsh.ini.5": {
    prepare(stage) {
      const { m } = stage;
      makeJail(JAIL, "basicshell")(stage);
      m.must(["groupadd", "designers"]);
      m.addUser("anna", { gid: "designers", home: "/home/anna", createHome: true, shell: "/bin/bash" });
      m.must(["jk_jailuser", "-m", "-s", "/bin/bash", "-j", JAIL, "anna"]);
      m.addUser("john", { home: "/home/john", createHome: true, shell: "/bin/bash" });
      m.must(["jk_jailuser", "-m", "-s", "/bin/bash", "-j", JAIL, "john"]);
      m.write(`${JAIL}/data/file`, "of the data\n");
    },
    steps: {
      "[john]": {
        file: "/etc/jailkit/jk_chrootsh.ini",
        append: true,
        after: async (stage) => {
          await checked(stage);
          expect(await stage.must("su john -c 'cat /data/file'")).toBe("of the data");
          for (const line of ["cat /home/john/.bashrc", "touch /home/john/new", ": > /dev/tcp/127.0.0.1/22"])
            expect((await stage.shell.type(`su john -c '${line} && echo done'`)).output).not.toContain(
              "\ndone",
            );
        },
      },
      "[DEFAULT]": {
        file: "/etc/jailkit/jk_chrootsh.ini",
        append: true,
        after: async (stage) => {
          await checked(stage);
          const shown = (name: string) =>
            stage.must(`MANWIDTH=72 LESS=-R OTHER=x su anna -c 'echo "$${name}"'`);
          expect([await shown("MANWIDTH"), await shown("LESS"), await shown("OTHER")]).toEqual([
            "72",
            "-R",
            "",
          ]);
        },
      },
      "[group designers]": {
        file: "/etc/jailkit/jk_chrootsh.ini",
        append: true,
        before: async ({ m, shell }) => {
          m.chmod(`${JAIL}/home/anna`, 0o775);
          expect((await shell.type("su anna -c true")).status).not.toBe(0);
        },
        after: async (stage) => {
          await checked(stage);
          await stage.must("su anna -c true");
        },
      },
    },
  },
  "jk_init.ini.5": {
    prepare({ m }) {
      m.write("/opt/report/bin/report", "#!/bin/sh\ncat /opt/report/share/text\n", { mode: 0o755 });
      m.write("/opt/report/share/text", "report\n");
      m.addUser("report", { home: "/nonexistent" });
      m.mkdir("/var/log/report", { owner: [m.ids("report").uid, m.ids("report").gid] });
    },
    steps: {
      "[report]": {
        file: "/etc/jailkit/jk_init.ini",
        append: true,
        after: async (stage) => {
          await checked(stage);
          await stage.must(`jk_init -j ${JAIL} report`);
          expect(stage.m.exists(`${JAIL}/opt/report/bin/report`)).toBe(true);
        },
      },
      "[report-server]": {
        file: "/etc/jailkit/jk_init.ini",
        append: true,
        after: async (stage) => {
          const { m } = stage;
          await checked(stage);
          await stage.must(`jk_init -j ${JAIL} report-server`);
          expect(m.stat(`${JAIL}/var/log/report`)?.uid).toBe(m.ids("report").uid);
          expect(m.read(`${JAIL}/etc/passwd`)).toContain("report:");
          expect(m.list("/etc/jailkit/jk_socketd.d").length).toBe(1);
        },
      },
    },
  },
  "jk_lsh.ini.5": {
    boot: true,
    async prepare(stage) {
      const { m } = stage;
      m.must(["groupadd", "sftponly"]);
      m.must(["jk_init", "-j", JAIL, "sftp", "scp", "rsync", "git", "cvs"]);
      m.write("/usr/lib/hooks/post-update", "#!/bin/sh\necho ran > /home/john/hooked\n", { mode: 0o755 });
      m.write("/etc/gitconfig", "[safe]\n\tdirectory = /srv/shared\n");
      for (const [name, group] of [
        ["john", "users"],
        ["anna", "sftponly"],
      ] as const) {
        m.addUser(name, { gid: group, home: `/home/${name}`, createHome: true });
        m.must(["jk_jailuser", "-m", "-j", JAIL, name]);
        stage.allowKey(name, `${JAIL}/home/${name}`);
      }
      await stage.shell.type("ssh -o StrictHostKeyChecking=no john@localhost");
    },
    steps: {
      "jk_init -j JAIL jk_lsh": { names: { JAIL }, after: ({ m }) => expect(m.exists(LSH)).toBe(true) },
      "[mirror]": {
        check: async (stage, text) => {
          stage.m.write(`${JAIL}/data/file`, "data\n");
          await forAnna(stage, text);
          await stage.must("cd; rsync -a anna@localhost:/data/file copied; cmp copied /srv/jail/data/file");
          for (const command of ["rsync --server -r . /data", "rsync --server --sender -r . /etc", "id"])
            expect([command, stage.ssh("anna", command).status]).toEqual([command, 4]);
        },
      },
      "[borg]": {
        before({ m }) {
          const python = "/usr/bin/python3 /usr/lib/python3.[0-9]* /usr/lib/python3";
          m.must(["sh", "-c", `jk_cp -j ${JAIL} /usr/bin/borg ${python}`]);
          m.mkdir(`${JAIL}/backups`);
        },
        check: async (stage, text) => {
          await forAnna(stage, text);
          for (const command of ["borg serve --restrict-to-path /", "scp -f /backups"])
            expect([command, stage.ssh("anna", command).status]).toEqual([command, 4]);
        },
      },
      "jk_cp -j JAIL /usr/lib/hooks": { names: { JAIL } },
      "[john]": {
        file: LSH,
        after: async (stage) => {
          await checked(stage);
          await pushAndFetch(stage, "first");
          expect(stage.m.read(`${JAIL}/home/john/hooked`)).toBe("ran\n");
        },
      },
      "jk_cp -j JAIL /etc/gitconfig": {
        names: { JAIL },
        after: ({ m }) => expect(m.read(`${JAIL}/etc/gitconfig`)).toBe(m.read("/etc/gitconfig")),
      },
      "/bin /sbin /lib /lib32 /lib64 /libx32 /opt": {
        check: (_stage, text) =>
          expect(text.split(/\s+/).sort()).toEqual(
            SYSTEM_GROUPS.flatMap(([above, names]) =>
              names.map((name) => `/${[...above, name].join("/")}`),
            ).sort(),
          ),
      },
      "execute = system, /srv/tools": {
        check: async (stage, text) => {
          const { m } = stage;
          m.mkdir(`${JAIL}/srv/tools`);
          m.write(LSH, `[DEFAULT]\nexecutables = /usr/bin/scp\n${text}\n`);
          await checked(stage);
        },
      },
      "[backup]": {
        check: async (stage, text) => {
          await forAnna(stage, text);
          stage.m.write(`${JAIL}/data/file`, "data\n");
          await stage.must("cd; rsync anna@localhost:/data/file fetched; cmp fetched /srv/jail/data/file");
          expect(stage.ssh("anna", "rsync --server --sender -vre.iLsfxCIvu . /etc").status).toBe(4);
        },
      },
      "[deploy]": {
        check: async (stage, text) => {
          await forAnna(stage, text);
          for (const name of ["site", "shop", "stage"]) {
            stage.m.must(["git", "init", "-q", "--bare", `${JAIL}/srv/git/${name}.git`]);
            stage.m.must(["chown", "-R", "anna:", `${JAIL}/srv/git/${name}.git`]);
          }
          for (const name of ["site", "shop"])
            await stage.must(`git ls-remote anna@localhost:/srv/git/${name}.git`);
          expect(stage.ssh("anna", "git-upload-pack '/srv/git/stage.git'").status).toBe(4);
          expect(stage.ssh("anna", "git-receive-pack '/srv/git/site.git'").status).toBe(4);
        },
      },
      "[inbox]": {
        check: async (stage, text) => {
          const { m } = stage;
          m.mkdir(`${JAIL}/incoming`);
          m.must(["chown", "anna:", `${JAIL}/incoming`]);
          await forAnna(stage, text);
          m.write("/root/dropped", "dropped\n");
          await stage.must("cd; scp dropped anna@localhost:/incoming/by-sftp");
          expect(m.read(`${JAIL}/incoming/by-sftp`)).toBe("dropped\n");
          for (const line of ["put /root/dropped /home/anna/planted", "ls /home/anna", "get /data/file"])
            expect([line, m.run(["sh", "-c", `echo ${line} | sftp -b - anna@localhost`]).status]).not.toEqual(
              [line, 0],
            );
        },
      },
      "[drop]": {
        check: async (stage, text) => {
          const { m } = stage;
          await forAnna(stage, text);
          m.mkdir(`${JAIL}/incoming`);
          m.must(["chown", "anna:", `${JAIL}/incoming`]);
          m.write("/root/dropped", "dropped\n");
          await stage.must("cd; scp -O dropped anna@localhost:/incoming/");
          expect(m.read(`${JAIL}/incoming/dropped`)).toBe("dropped\n");
          expect(stage.ssh("anna", "scp -f /incoming/dropped").status).toBe(4);
          expect(m.run(["scp", "/root/dropped", "anna@localhost:/incoming/again"]).status).not.toBe(0);
        },
      },
      "[reader]": {
        check: async (stage, text) => {
          await forAnna(stage, text);
          await stage.must("cd; echo get file by-sftp | sftp -b - anna@localhost; cmp by-sftp fetched");
          expect(
            stage.m.run(["sh", "-c", "echo put /root/dropped | sftp -b - anna@localhost"]).status,
          ).not.toBe(0);
        },
      },
      "[group sftponly]": {
        file: LSH,
        after: async (stage) => {
          const { m } = stage;
          await checked(stage);
          m.write("/root/shared", "hello\n");
          m.chmod("/root/shared", 0o666);
          for (const line of [
            "scp -p shared anna@localhost:by-sftp",
            "scp -O shared anna@localhost:by-scp",
            "rsync shared anna@localhost:by-rsync",
          ])
            await stage.must(`cd; ${line}`);
          for (const name of ["by-scp", "by-rsync"])
            expect(m.stat(`${JAIL}/home/anna/${name}`)?.mode).toBe(0o100644);
        },
      },
      "[john] #2": {
        file: LSH,
        after: async (stage) => {
          await checked(stage);
          await pushAndFetch(stage, "second");
          expect(stage.ssh("john", "scp -t .").status).not.toBe(0);
        },
      },
      "[john] #3": {
        file: LSH,
        after: async (stage) => {
          const { m, must } = stage;
          m.must(["cvs", "-d", `${JAIL}/home/john/repository`, "init"]);
          m.must(["chown", "-R", "john:", `${JAIL}/home/john/repository`]);
          expect(m.exists(`${JAIL}/tmp`)).toBe(false);
          const remote = "CVS_RSH=ssh cvs -d :ext:john@localhost:/home/john/repository";
          await must("mkdir /root/module; echo text > /root/module/file; cd /root/module");
          await must(`${remote} import -m first module vendor start`);
          await must(`cd; ${remote} checkout -d back module; cmp back/file module/file`);
          const told = m.run(["jailkit", "config", "check"]);
          expect(told.stdout).not.toContain("error");
        },
      },
    },
  },
  "jk_socketd.ini.5": {
    boot: true,
    prepare: makeJail(),
    steps: {
      "[/srv/jail/dev/log]": {
        file: "/etc/jailkit/jk_socketd.ini",
        append: true,
        before: ({ m }) => m.mkdir(`${JAIL}/dev`),
        after: async (stage) => {
          await checked(stage);
          await stage.must("jk_socketd");
          expect(await stage.must("jailkit log-sockets")).toContain(`${JAIL}/dev/log`);
        },
      },
    },
  },
  "jk_uchroot.ini.5": {
    prepare(stage) {
      const { m } = stage;
      m.must(["groupadd", "-f", "staff"]);
      addAccount(stage, "john");
      m.addUser("anna", { gid: "staff", home: "/home/anna", createHome: true });
      for (const jail of ["/srv/johnjail", "/srv/commonjail"]) {
        m.must(["jk_init", "-j", jail, "uidbasics"]);
        m.must(["jk_cp", "-j", jail, "/usr/bin/id"]);
        for (const file of ["passwd", "group"]) {
          const lines = m.read(`/etc/${file}`).match(/^(?:john|anna|staff):.*\n/gm) ?? [];
          m.write(`${jail}/etc/${file}`, m.read(`${jail}/etc/${file}`) + lines.join(""));
        }
      }
    },
    steps: {
      "[john]": {
        file: "/etc/jailkit/jk_uchroot.ini",
        append: true,
        after: async (stage) => {
          await checked(stage);
          const enters = (user: string, jail: string) =>
            stage.m.run(["jk_uchroot", "-j", jail, "-x", "/usr/bin/id"], { user }).status === 0;
          expect([
            enters("john", "/srv/johnjail"),
            enters("john", "/srv/commonjail"),
            enters("anna", "/srv/commonjail"),
            enters("anna", "/srv/johnjail"),
          ]).toEqual([true, true, true, false]);
        },
      },
    },
  },
  "jk_update.ini.5": {
    prepare: makeJail(),
    steps: {
      "jk_update -c SECTION": {
        names: { SECTION: JAIL },
        before: ({ m }) => m.write("/etc/jailkit/jk_update.ini", `[${JAIL}]\n`),
      },
      "[/srv/jail]": {
        file: "/etc/jailkit/jk_update.ini",
        before: (stage) => {
          stage.m.write("/usr/bin/myscript", "of the host\n", { mode: 0o755 });
          stage.m.must(["jk_cp", "-j", JAIL, "/usr/bin/myscript"]);
          stage.m.write("/usr/bin/myscript", "newer\n", { mode: 0o755 });
        },
        after: async (stage) => {
          await checked(stage);
          await stage.must(`jk_update -c ${JAIL}`);
          expect(stage.m.read(`${JAIL}/usr/bin/myscript`)).toBe("of the host\n");
        },
      },
    },
  },
};
