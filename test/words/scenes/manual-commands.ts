import { expect } from "bun:test";
import type { Scene } from "../scene.ts";
import { addAccount, JAIL, makeJail, makeLimited } from "./jail.ts";

/** The pages of `jailkit COMMAND`. */
export const COMMANDS: Readonly<Record<string, Scene>> = {
  "jailkit-adopt.8": {
    prepare: (stage) => {
      makeJail()(stage);
      // A jail of jailkit 2 has no record.
      stage.m.remove("/var/lib/jailkit");
    },
    steps: {
      "jailkit adopt --dry-run /srv/jail": {
        after: ({ m }) => expect(m.must(["jailkit", "list"]).stdout).toContain(JAIL),
      },
    },
  },
  "jailkit-apply.8": {
    prepare({ m }) {
      m.write("/etc/jailkit/jails.d/one.ini", `[jail ${JAIL}]\nsections = uidbasics, basicshell\n`);
    },
    steps: {
      "jailkit apply --check": {
        status: { "jailkit apply --check": 10 },
        after: ({ m }) => expect(m.must(["jailkit", "list"]).stdout).toContain(JAIL),
      },
    },
  },
  "jailkit-config.8": { prepare: makeJail(JAIL, "jk_lsh") },
  "jailkit-delete.8": {
    prepare: (stage) => makeLimited(stage),
    steps: {
      "jailkit delete --dry-run --unjail /srv/jail": {
        after: ({ m }) => {
          expect(m.exists(JAIL)).toBe(false);
          expect(m.read("/etc/passwd")).not.toContain(JAIL);
        },
      },
    },
  },
  "jailkit-mount.8": { prepare: ({ m }) => void m.must(["jk_init", "--live", "-j", "/srv/live"]) },
  "jailkit-unmount.8": { prepare: ({ m }) => void m.must(["jk_init", "--live", "-j", "/srv/live"]) },
  "jailkit-disk.8": { prepare: (stage) => makeLimited(stage) },
  "jailkit-explain.8": {
    boot: true,
    prepare(stage) {
      const { m } = stage;
      makeLimited(stage);
      addAccount(stage, "anna");
      m.must(["jk_init", "-j", "/srv/build", "uidbasics"]);
      m.must(["jk_cp", "-j", "/srv/build", "/usr/bin/cc"]);
      for (const name of ["passwd", "group"]) {
        const line = /^anna:.*\n/m.exec(m.read(`/etc/${name}`))?.[0] ?? "";
        m.write(`/srv/build/etc/${name}`, m.read(`/srv/build/etc/${name}`) + line);
      }
      m.write("/etc/jailkit/jk_uchroot.ini", "[anna]\nallowed_jails = /srv/build\n");
    },
    steps: {
      "jailkit explain test": {
        after: ({ ssh }) => expect(ssh("test", "/usr/lib/openssh/sftp-server")).toMatchObject({ status: 0 }),
      },
      "jailkit explain -j /srv/build anna -- /usr/bin/cc": {
        after: ({ m }) =>
          expect(
            m.run(["jk_uchroot", "-j", "/srv/build", "-x", "/usr/bin/cc", "--", "--version"], {
              user: "anna",
            }),
          ).toMatchObject({ status: 0, stderr: "" }),
      },
      "jailkit explain --launch -- -j /srv/web -x /usr/sbin/nginx -u www-data": {
        before: ({ m }) => {
          m.must(["jk_init", "-j", "/srv/web", "uidbasics"]);
          m.must(["jk_cp", "-j", "/srv/web", "/usr/sbin/nginx"]);
        },
        after: (_stage, [told]) => expect(told).toContain("jk_chrootlaunch as www-data would work."),
      },
      "jk_chrootsh:": {
        before: ({ m }) => m.chmod(JAIL, 0o775),
        outputOf: "jailkit explain test",
        after: ({ ssh }) => expect(ssh("test", "id").status).toBe(53),
      },
    },
  },
  "jailkit-export.8": {
    prepare(stage) {
      makeJail(JAIL, "uidbasics")(stage);
      // It comes with the package.
      stage.m.mkdir("/etc/jailkit/jails.d");
    },
    steps: {
      "jailkit export -o /root/jail.json /srv/jail": {
        after: ({ m }) => expect(m.stat("/root/jail.json")?.mode).toBe(0o100600),
      },
      "jailkit export --declaration -o /etc/jailkit/jails.d": {
        after: ({ m }) =>
          expect(m.read("/etc/jailkit/jails.d/srv-jail.ini")).toContain(
            `[jail ${JAIL}]\nsections = uidbasics\n`,
          ),
      },
    },
  },
  "jailkit-import.8": {
    prepare({ m }) {
      m.must(["jk_init", "-j", JAIL, "basicshell"]);
      m.must(["jk_addjailuser", "-s", "/bin/bash", "-j", JAIL, "anna"]);
      m.must(["jailkit", "export", "-o", "/root/jail.json", JAIL]);
      m.must(["jailkit", "delete", "--yes", "--unjail", JAIL]);
      m.must(["userdel", "anna"]);
    },
    steps: {
      "jailkit import --dry-run --create-users -j /srv/jail /root/jail.json": {
        after: ({ m }) => expect(m.read("/etc/passwd")).toContain(`:${JAIL}/./home/anna:`),
      },
    },
  },
  "jailkit-forget.8": {
    prepare: makeJail(JAIL, "uidbasics"),
    steps: {
      "rm -rf /srv/jail/bin /srv/jail/dev /srv/jail/etc /srv/jail/lib* /srv/jail/usr": {
        after: ({ m }) => {
          expect(m.exists(JAIL)).toBe(true);
          expect(m.must(["jailkit", "list"]).stdout).not.toContain(JAIL);
        },
      },
    },
  },
  "jailkit-list.8": {
    prepare: (stage) => makeLimited(stage),
    steps: {
      "jailkit list": {
        after: (_stage, [list, users]) => {
          expect(list).toContain(JAIL);
          expect(users).toContain('"test"');
        },
      },
    },
  },
  "jailkit-terminate-user.8": {
    prepare: ({ m }) => m.addUser("customer1"),
    steps: {},
  },
  "jailkit-log-sockets.8": {
    boot: true,
    async prepare(stage) {
      makeLimited(stage);
      stage.m.must(["systemd-sysusers", "/dev/stdin"], { stdin: "u! _jk-socketd - - /nonexistent\n" });
      stage.m.mkdir(`${JAIL}/dev`);
      stage.m.write(
        "/etc/jailkit/jk_socketd.ini",
        `[${JAIL}/dev/log]\nbase = 1024\npeak = 10240\ninterval = 2.0\n`,
      );
      await stage.must("jk_socketd");
    },
  },
  "jailkit-status.8": {
    prepare({ m }) {
      m.must(["jk_init", "--live", "-j", "/srv/live"]);
      m.must(["umount", "/srv/live/usr"]);
    },
    steps: {
      "jailkit status": {
        status: { "jailkit status": 1 },
        after(_stage, [page, findings]) {
          expect(page).toContain("jailkit mount /srv/live");
          expect(findings).toContain('"subject": "/srv/live"');
        },
      },
    },
  },
  "jailkit.8": { prepare: makeJail(JAIL, "jk_lsh") },
};
