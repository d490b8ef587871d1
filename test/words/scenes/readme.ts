import { expect } from "bun:test";
import { packages } from "../../e2e/packages-scene.ts";
import { checkout } from "../../machine/helper.ts";
import type { Scene, Stage } from "../scene.ts";

const CLONE = "/usr/src/jailkit";
const JAIL = "/home/sftproot";
const HOME = `${JAIL}/home/test`;

/** Whether sshd connects a user to what they like, and starts something for their ~/.ssh/rc. */
async function servedBySshd({ m, shell, must }: Stage): Promise<{ forwards: boolean; startsRc: boolean }> {
  m.write(`${HOME}/.ssh/rc`, "");
  m.must(["chown", "-R", "test:", `${HOME}/.ssh`]);
  const { output } = await shell.type("ssh -W localhost:22 test@localhost < /dev/null");
  const told = await must("rsync letter test@localhost:again");
  expect(m.read(`${HOME}/again`)).toBe("hello\n");
  m.remove(`${HOME}/again`);
  m.remove(`${HOME}/.ssh`);
  // sshd(8) starts it by the user's shell, which refuses it.
  return {
    forwards: output.includes("SSH-2.0"),
    startsRc: told.includes("command '/bin/sh' is not allowed"),
  };
}

export const README: Scene = {
  boot: true,
  bare: true,
  async prepare({ m, shell }) {
    m.must(["dpkg", "--purge", "jailkit"]);
    // As the package libpam-systemd has it, which comes with openssh-server on a new machine.
    const session = m.read("/etc/pam.d/common-session").replace(/^.*pam_systemd\.so.*\n/gm, "");
    m.write("/etc/pam.d/common-session", `${session}session optional pam_systemd.so\n`);
    m.must(["git", "-c", "safe.directory=*", "clone", "--quiet", "--no-local", checkout, CLONE]);
    m.symlink(`${checkout}/node_modules`, `${CLONE}/node_modules`);
    m.mkdir(`${CLONE}/dist/packages`);
    m.must(["cp", packages().deb, `${CLONE}/dist/packages/`]);
    await shell.type(`cd ${CLONE}`);
  },
  steps: {
    "apt-get install ./dist/packages/jailkit_3.0.0-1_amd64.deb": {
      after: ({ m }) => expect(m.must(["jk_init", "--version"]).stdout).toContain("(jailkit) 3."),
    },
    "[test]": {
      check: ({ m }, text) => {
        const { stdout } = m.must([
          "sed",
          "-n",
          "/^\\[test\\]/,/^executables/p",
          `${JAIL}/etc/jailkit/jk_lsh.ini`,
        ]);
        expect(stdout.trim()).toBe(text);
      },
      after: (stage) => stage.must("jailkit config check"),
    },
    "echo hello > letter": {
      after: async ({ m, must }) => {
        expect(m.read(`${HOME}/letter`)).toBe("hello\n");
        expect(m.list(`${HOME}/skel`)).toEqual(m.list("/etc/skel"));
        await must("cmp copy letter");
      },
    },
    "jk_jailuser -m -j /home/sftproot -G jailed --policy sftp,scp,rsync bob": {
      before: ({ m }) => m.addUser("bob", { home: "/home/bob", createHome: true }),
      after: ({ m }) => {
        expect(m.read("/etc/passwd")).toContain(`:${JAIL}/./home/bob:/usr/sbin/jk_chrootsh\n`);
        expect(m.exists("/home/bob")).toBe(false);
      },
    },
    "cp /usr/share/doc/jailkit/examples/sshd-jailkit.conf /etc/ssh/sshd_config.d/jailkit.conf": {
      before: async (stage) => {
        const { output } = await stage.shell.type("jailkit explain test");
        for (const code of ["tcp-forwarding", "stream-forwarding", "user-manager"])
          expect(output).toContain(`warning  ${code}: `);
        expect(await servedBySshd(stage)).toEqual({ forwards: true, startsRc: true });
      },
      after: async (stage) => {
        expect(await servedBySshd(stage)).toEqual({ forwards: false, startsRc: false });
        const { output } = await stage.shell.type("jailkit explain test -- /usr/lib/openssh/sftp-server");
        // Warnings about cron are reported if the account is jailed, and have nothing to do with sshd.
        expect(output.replace(/^jobs:\r?\n(?: .*\n)*/m, "")).not.toContain("warning");
      },
    },
    "jk_chrootsh: refused: the jail is not safe (error id JK-7Q2MX4TA)": {
      before: ({ m }) => m.chmod(JAIL, 0o775),
      outputOf: "ssh test@localhost ls",
      async after({ must }, [line = ""]) {
        const id = /JK-\w+/.exec(line)?.[0] ?? "no id";
        expect(await must("journalctl --sync; journalctl --no-pager SYSLOG_FACILITY=4")).toMatch(
          new RegExp(`jk_chrootsh.*${id}.*${JAIL}`),
        );
      },
    },
    "jailkit explain test -- /usr/lib/openssh/sftp-server": {
      status: { "jailkit explain test -- /usr/lib/openssh/sftp-server": 1, "jailkit config check": 1 },
      async after({ must }, [explained = ""]) {
        const remedy = /FAILED.*\n +remedy: (.*)/.exec(explained)?.[1] ?? "no remedy";
        await must(remedy);
        await must("jailkit explain test -- /usr/lib/openssh/sftp-server");
        await must("jailkit config check");
        await must("sftp test@localhost", [[/sftp> $/, "bye"]]);
      },
    },
    "npm run build                      # dist/bin/*: needs gcc and libc6-dev": {
      apart: true,
      after: ({ m }) =>
        expect([m.exists("/usr/sbin/jk_init"), m.exists("/etc/jailkit")]).toEqual([false, false]),
    },
  },
};
