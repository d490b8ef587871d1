/** What will be missing after jk_jailuser is told by a dry run as by the real one: in each situation both warn of the same. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { jailUserReportSchema } from "../../src/users/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { ALWAYS, filler, keepHost, listing, OMIT, putBack, SSHD, setUpSshd } from "./dry-run-scene.ts";

setDefaultTimeout(60_000);

const TEMPLATE = "/srv/template";
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_jailuser", "jk_chrootsh"] });
  m.must(["jk_init", "-j", TEMPLATE, "uidbasics", "basicshell"]);
  m.mkdir(`${TEMPLATE}/home`);
  m.must(["groupadd", "team"]);
  m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/key"]);
  m.must(["groupadd", "-f", "-r", "jailed"]);
  setUpSshd(m);
  keepHost(m);
});
beforeEach(() => putBack(m));
afterAll(() => m?.close());

interface Situation {
  /** What is done before, as root; J is the jail, N the account, H its home, S the home where it would be in the jail. */
  scene?: string;
  /** Besides -n, -j and the account. */
  options?: string;
  /** What both say; nothing where it is left out. */
  says?: RegExp;
  /** Why the dry run should not say the same, and what it says. */
  differs?: { why: string; dry: RegExp };
}

const SITUATIONS: Readonly<Record<string, Situation>> = {
  "a home that moves": {},
  "a home that is left": {
    options: "-s /bin/bash",
    says: /its home is still .*; move it into the jail with: jk_jailuser -n -m -j /,
  },
  "a home its group can write": { scene: "chmod 0775 H", says: /group writable, .*chmod g-w/ },
  "a home everybody can write": { scene: "chmod 0757 H", says: /writable for other, .*chmod o-w/ },
  "a home of another group": { scene: "chgrp team H", says: /does not have group owner/ },
  "a home with a setgid bit": { scene: "chmod g+s H" },
  "an ACL": { scene: "setfacl -m u:games:rwx H", says: /group writable/ },
  "a group that may write": { scene: "RELAX group_permissions; chmod 0775 H" },
  "an ACL beside a group that may write": {
    scene: "RELAX group_permissions; setfacl -m u:games:rwx H",
    says: /writable through its ACL/,
  },
  "what the settings let pass": { scene: "RELAX other_permissions; chmod 0757 H" },
  "a home that users could exchange in the jail": {
    scene: "mkdir -p /free; mkdir -m 1777 J/free; usermod -d /free/N -m N; chmod 0775 /free/N",
    says: /group writable/,
  },
  "directories that are still to be made": {
    scene: "mkdir -p /deep/below; usermod -d /deep/below/N -m N; chmod 0775 /deep/below/N",
    says: /group writable, .*chmod g-w J\/\.\/deep/,
  },
  "a directory that the user cannot pass": { scene: "chmod 0700 J/home", says: /chdir.*Permission denied/ },
  "a home in the jail": { scene: "mkdir -m 0775 S; chown N: S; usermod -d S N", says: /group writable/ },
  "a home in the jail that is somebody else's": { scene: "mkdir S; usermod -d S N", says: /not owned by/ },
  "a home in the jail that is a link": { scene: "ln -s /etc S; usermod -d S N", says: /is not a directory/ },
  "a jail that the user cannot pass": { scene: "chmod 0700 J", says: /cannot pass J/ },
  "a jail for a group": { scene: "chgrp team J; chmod 0750 J", says: /cannot pass J|not a safe jail/ },
  "a jail for a group that the account comes into": {
    scene:
      "mkdir -m 0750 /srv/for-team-N; chgrp team /srv/for-team-N; mv J /srv/for-team-N/jail; ln -s /srv/for-team-N/jail J",
    options: "-s /bin/bash -m -G team -j /srv/for-team-N/jail",
  },
  "a limited shell without a policy": { options: "-m", says: /can run nothing: no section/ },
  "a limited shell with one": {
    scene: "mkdir -p J/etc/jailkit; printf '[N]\\nexecutables = /usr/bin/id\\n' > J/etc/jailkit/jk_lsh.ini",
    options: "-m",
  },
  "a policy that cannot be used": {
    scene: "mkdir -p J/etc/jailkit; echo nonsense > J/etc/jailkit/jk_lsh.ini",
    options: "-m",
    says: /can run nothing: /,
  },
  "a limited shell that had none before": {
    scene: "jk_jailuser -n -m -j J N 2> /root/said",
    options: "-m",
  },
  "a key": { options: "-s /bin/bash -m --authorized-key /root/key.pub" },
  "a key that is there with other options": {
    scene: "mkdir H/.ssh; sed 's/^/restrict /' /root/key.pub > H/.ssh/authorized_keys; chown -R N: H",
    options: "-s /bin/bash -m --authorized-key /root/key.pub",
    says: /J\/home\/N\/\.ssh\/authorized_keys' has one of the keys with other options/,
  },
  "a key for an account that is locked": {
    scene: "passwd -lq N",
    options: "-s /bin/bash -m --authorized-key /root/key.pub",
  },
  "an old home from before": {
    scene: "jk_jailuser -n -j J N 2> /root/said; mkdir S; chown N: S",
    says: /'H' is still there, from before the home moved/,
  },
  "no login shell of the host's": { scene: "mv /usr/sbin/jk_chrootsh /root", says: /is not installed/ },
  "a group of root's": { scene: "gpasswd -a N sudo", says: /can become root .*gpasswd -d N sudo/ },
  "a group of root's that it would come into": {
    options: "-s /bin/bash -m -G sudo",
    says: /can become root .*gpasswd -d N sudo/,
    differs: OMIT,
  },
  "sshd that does not forward for a group": {
    scene: `sed -i /Forwarding/d ${SSHD}; printf 'Match Group jailed\\n DisableForwarding yes\\n' >> ${SSHD}`,
    options: "-s /bin/bash -m -G jailed",
  },
  "sshd that makes tunnels for a group": {
    scene: `printf 'Match Group jailed\\n DisableForwarding no\\n PermitTunnel yes\\n' >> ${SSHD}`,
    options: "-s /bin/bash -m -G jailed",
    says: /tunnels/,
  },
  "a crontab": {
    scene: "mkdir -p /var/spool/cron/crontabs; echo '@daily true' > /var/spool/cron/crontabs/N",
    says: /crontab of the user/,
  },
  "several at once": {
    scene: "chmod 0777 H; chmod 0700 J; gpasswd -a N sudo",
    options: "-m",
    says: /can run nothing/,
  },
};

let count = 0;

test.each(Object.entries(SITUATIONS))(
  "%s",
  (_name, { scene = "true", options = "-s /bin/bash -m", says, differs }) => {
    const name = `n${++count}`;
    const jail = `/srv/jail-${name}`;
    const words = filler({ J: jail, N: name, H: `/home/${name}`, S: `${jail}/home/${name}` });
    const fill = (text: string) =>
      words(
        text.replaceAll(
          /RELAX (\w+)/g,
          "printf '[DEFAULT]\\nrelax_home_$1 = 1\\n' > /etc/jailkit/jk_chrootsh.ini",
        ),
      );
    m.must(["cp", "-a", TEMPLATE, jail]);
    m.addUser(name, { home: `/home/${name}`, createHome: true, shell: "/bin/bash" });
    m.must(["chmod", "0755", `/home/${name}`]);
    m.must(["sh", "-ec", fill(scene)]);
    const given = fill(options).split(" ");
    const place = given.includes("-j") ? [] : ["-j", jail];
    const told = (...dry: string[]): { status: number | undefined; warnings: string[] } => {
      const { status, stdout, stderr } = m.run([
        "jk_jailuser",
        "--json",
        ...dry,
        "-n",
        ...given,
        ...place,
        name,
      ]);
      if (stdout === "") return { status, warnings: [stderr] };
      const [user] = reportOf(jailUserReportSchema, stdout).users;
      return { status, warnings: [...(user?.warnings ?? []), ...(user?.error ? [user.error] : [])].sort() };
    };
    const before = listing(m, [...ALWAYS, jail]);
    const dry = told("--dry-run");
    expect(listing(m, [...ALWAYS, jail])).toBe(before);
    const real = told();
    if (m.exists("/root/jk_chrootsh")) m.rename("/root/jk_chrootsh", "/usr/sbin/jk_chrootsh");
    if (differs === undefined) expect(dry).toEqual(real);
    else expect(dry.warnings.join("\n")).toMatch(differs.dry);
    if (says === undefined) expect(real).toEqual({ status: 0, warnings: [] });
    else expect(real.warnings.join("\n")).toMatch(new RegExp(fill(says.source)));
  },
);
