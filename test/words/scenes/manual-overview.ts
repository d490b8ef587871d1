import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SSHD_EXAMPLE } from "../../../build/install.ts";
import { checkout } from "../../machine/helper.ts";
import type { Scene } from "../scene.ts";

const JAIL = "/home/sftproot";

/** jailkit(7), whose example is that of README.md; what it claims is looked at there. */
export const OVERVIEW: Scene = {
  boot: true,
  // As packages do.
  prepare({ m }) {
    m.write("/usr/share/doc/jailkit/examples/sshd-jailkit.conf", readFileSync(join(checkout, SSHD_EXAMPLE)));
    m.write("/usr/lib/sysusers.d/jailkit.conf", readFileSync(join(checkout, "config/sysusers.conf")));
    m.must(["systemd-sysusers", "jailkit.conf"]);
  },
  steps: {
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
    },
    "echo hello > letter": {
      after: ({ m }) => expect(m.read(`${JAIL}/home/test/letter`)).toBe("hello\n"),
    },
    "jk_jailuser -m -j /home/sftproot -G jailed --policy sftp,scp,rsync bob": {
      before: ({ m }) => m.addUser("bob", { home: "/home/bob", createHome: true }),
    },
    "cp /usr/share/doc/jailkit/examples/sshd-jailkit.conf /etc/ssh/sshd_config.d/jailkit.conf": {
      after: async ({ must }) => {
        const told = await must("jailkit explain test -- /usr/lib/openssh/sftp-server");
        expect(told).toContain("allowtcpforwarding no");
        // sshd has penalties for addresses by default.
        expect(told.match(/(?<=^ +warning +)[\w-]+/gm)).toEqual(["penalties"]);
      },
    },
    "jk_init: /etc/jailkit/jk_init.ini:4:1: error: a line that has no '=' and no ':' [stray-text]": {
      before: ({ m }) => m.write("/etc/jailkit/jk_init.ini", "[x]\npaths = /bin/ls\n\nparts\n"),
      outputOf: "jk_init -l",
    },
    "PermitUserEnvironment no": {
      check: ({ m }, text) => {
        const settings = m.read("/etc/ssh/sshd_config.d/jailkit.conf").replace(/^#.*\n/gm, "");
        expect(settings.replace(/\n+/g, "\n").trim()).toBe(text.replace(/\n+/g, "\n"));
      },
    },
  },
};
