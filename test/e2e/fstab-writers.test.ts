/** Whatever writes a line of fstab(5) knows before it mounts or unmounts anything whether the file can be replaced. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const J = "/srv/jail";
const INI = "/etc/jailkit/jk_init.d/own.ini";
const DECLARED = "/etc/jailkit/jails.d/own.ini";
const RUN = "/run/gamesd";
const SOCKETS = `[own]\npaths = /usr/bin/id\nsockets = ${RUN}/socket\n`;
const PROC = "[own]\npaths = /usr/bin/id\nneed_proc = 1\n";
const PLAIN = "[own]\npaths = /usr/bin/id\n";
const COPIED = `jk_init -j ${J} own`;
const LIVE = `jk_init --live -j ${J} uidbasics`;

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.addUser("games-server", { uid: 990 });
});
beforeEach(() => {
  m.run(["chattr", "-i", "/etc/fstab"]);
  m.run(["umount", "/etc/fstab"]);
  for (const mount of mounts().reverse()) m.run(["umount", mount]);
  for (const path of ["/srv", "/var/lib/jailkit", "/etc/jailkit/jk_socketd.d", DECLARED, "/home/anna"])
    m.remove(path);
  m.run(["userdel", "anna"]);
  m.mkdir("/srv");
  m.write("/etc/fstab", "# mine\n");
  m.mkdir("/etc/jailkit/jails.d");
  shell(`install -d -o games-server ${RUN}`);
});
afterAll(() => m?.close());

const shell = (script: string) => m.must(["sh", "-ec", script]);
const lines = (text: string) => text.split("\n").filter((line) => line.includes("/srv/"));
const mounts = () => lines(m.run(["findmnt", "-rno", "TARGET"]).stdout);
/** What a refused run leaves as it was: mounts, lines, accounts, and the files of records. */
const state = () => ({
  mounts: mounts(),
  fstab: m.read("/etc/fstab"),
  jails: shell("find /srv -xdev -printf '%p %i\\n' | sort").stdout,
  accounts: m.read("/etc/passwd"),
  files: shell("find /var/lib/jailkit/jails /etc/jailkit -type f -exec md5sum {} + | sort").stdout,
});

interface Case {
  readonly what: string;
  /** Files and commands before the file is protected. */
  readonly ini?: string;
  readonly scene: string;
  readonly command: string;
  /** What the command does once the file can be replaced: to its lines, and to what is mounted. */
  readonly after: { readonly lines: number; readonly mounts: readonly string[] };
  /** Files go, too, whatever is with the line. */
  readonly inPart?: boolean;
  readonly dryRun?: string;
}

const CASES: readonly Case[] = [
  {
    what: "jk_init, for sockets",
    ini: SOCKETS,
    scene: `jk_init -j ${J} uidbasics`,
    command: COPIED,
    after: { lines: 1, mounts: [J + RUN] },
    inPart: true,
    dryRun: "--dry-run",
  },
  {
    what: "jk_init --live",
    scene: "true",
    command: `jk_init --live -j ${J}`,
    after: { lines: 1, mounts: [`${J}/usr`] },
    dryRun: "--dry-run",
  },
  {
    what: "jk_init, of a live jail that was emptied",
    ini: PLAIN,
    scene: `${LIVE}; umount ${J}/usr; rm -rf ${J}/*`,
    command: COPIED,
    after: { lines: 0, mounts: [] },
    dryRun: "--dry-run",
  },
  {
    what: "jk_update, for sockets that come",
    ini: PLAIN,
    scene: `${COPIED}; printf '${SOCKETS.replaceAll("\n", "\\n")}' >${INI}`,
    command: `jk_update -j ${J}`,
    after: { lines: 1, mounts: [J + RUN] },
    inPart: true,
  },
  {
    what: "jk_update, for sockets that go",
    ini: SOCKETS,
    scene: `${COPIED}; printf '${PLAIN.replaceAll("\n", "\\n")}' >${INI}`,
    command: `jk_update -j ${J}`,
    after: { lines: 0, mounts: [] },
    inPart: true,
  },
  {
    what: "jk_init --remove, for proc",
    ini: PROC,
    scene: COPIED,
    command: `jk_init --remove -j ${J} own`,
    after: { lines: 0, mounts: [] },
    inPart: true,
    dryRun: "--dry-run",
  },
  {
    what: "jk_init --remove, for sockets",
    ini: SOCKETS,
    scene: COPIED,
    command: `jk_init --remove -j ${J} own`,
    after: { lines: 0, mounts: [] },
    inPart: true,
    dryRun: "--dry-run",
  },
  {
    what: "jailkit mount",
    scene: `${LIVE}; umount ${J}/usr; sed -i /srv/d /etc/fstab`,
    command: `jailkit mount ${J}`,
    after: { lines: 1, mounts: [`${J}/usr`] },
    dryRun: "--dry-run",
  },
  {
    what: "jailkit unmount --left",
    ini: PLAIN,
    scene: `${COPIED}; echo '/usr ${J}/usr none bind,ro,nosuid,nodev,private,nofail,x-jailkit 0 0' >>/etc/fstab; mount ${J}/usr`,
    command: `jailkit unmount --left ${J}`,
    after: { lines: 0, mounts: [] },
    dryRun: "--dry-run",
  },
  {
    what: "jailkit apply, for a live directory that goes",
    scene: `printf '[jail ${J}]\\nsections = uidbasics\\nlive = /usr\\n' >${DECLARED}; jailkit apply; sed -i /live/d ${DECLARED}`,
    command: "jailkit apply --prune",
    after: { lines: 0, mounts: [] },
    dryRun: "--check",
  },
  {
    what: "jailkit apply, for proc that goes",
    scene: `printf '[jail ${J}]\\nsections = uidbasics\\nproc = yes\\n' >${DECLARED}; jailkit apply; sed -i s/yes/no/ ${DECLARED}`,
    command: "jailkit apply",
    after: { lines: 0, mounts: [] },
    dryRun: "--check",
  },
  {
    what: "jailkit apply, for a jail that goes",
    scene: `printf '[jail ${J}]\\nsections = uidbasics\\nlive = /usr\\nproc = yes\\n' >${DECLARED}; jailkit apply; printf '[jail /srv/other]\\nsections = uidbasics\\n' >${DECLARED}; jailkit apply`,
    command: "jailkit apply --prune",
    after: { lines: 0, mounts: [] },
    dryRun: "--check",
  },
  {
    what: "jailkit delete, of a live jail",
    scene: `${LIVE}; jk_addjailuser -j ${J} anna`,
    command: `jailkit delete --yes --unjail ${J}`,
    after: { lines: 0, mounts: [] },
    dryRun: "--dry-run",
  },
  {
    what: "jailkit delete, of a jail with proc",
    ini: PROC,
    scene: `${COPIED}; jk_addjailuser -j ${J} anna`,
    command: `jailkit delete --yes --unjail ${J}`,
    after: { lines: 0, mounts: [] },
    dryRun: "--dry-run",
  },
  {
    what: "jailkit forget",
    ini: `${PROC}need_logsocket = 1\n`,
    scene: `${COPIED}; umount ${J}/proc`,
    command: `jailkit forget ${J}`,
    after: { lines: 0, mounts: [] },
    dryRun: "--dry-run",
  },
  {
    what: "jailkit adopt --moved",
    ini: PROC,
    scene: `${COPIED}; jk_addjailuser -j ${J} anna; umount ${J}/proc; mv ${J} /srv/new`,
    command: `jailkit adopt --moved ${J} /srv/new`,
    after: { lines: 1, mounts: [] },
    dryRun: "--dry-run",
  },
  {
    what: "jailkit import, of a live jail",
    scene: `${LIVE}; jailkit export ${J} >/root/jail.json`,
    command: `jailkit import -j /srv/new /root/jail.json`,
    after: { lines: 2, mounts: [`${J}/usr`, "/srv/new/usr"] },
    dryRun: "--dry-run",
  },
];

const HOLDS = [
  {
    how: "immutable",
    hold: "chattr +i /etc/fstab",
    says: "/etc/fstab is immutable",
    free: "chattr -i /etc/fstab",
  },
  {
    how: "a mount point",
    hold: "mount --bind /etc/fstab /etc/fstab",
    says: "/etc/fstab is a mount point",
    free: "umount /etc/fstab",
  },
] as const;

describe.each(HOLDS)("while /etc/fstab is $how, nothing is mounted or unmounted", ({ hold, says, free }) => {
  test.each(CASES)("by $what", ({ ini = "", scene, command, after, inPart = false, dryRun }) => {
    m.write(INI, ini);
    shell(scene);
    shell(hold);
    const before = state();
    if (dryRun !== undefined) {
      const foreseen = m.run(["sh", "-c", `${command} ${dryRun}`]);
      expect(foreseen.stdout + foreseen.stderr).toContain(says);
      expect(state()).toEqual(before);
    }
    const { status, stdout, stderr } = m.run(["sh", "-c", command]);
    expect([status, stdout + stderr]).toEqual([1, expect.stringContaining(says)]);
    expect(stdout + stderr).toContain(free);
    const now = state();
    expect(inPart ? { mounts: now.mounts, fstab: now.fstab } : now).toEqual(
      inPart ? { mounts: before.mounts, fstab: before.fstab } : before,
    );
    shell(free);
    expect(m.run(["sh", "-c", command])).toMatchObject({ status: 0 });
    expect({ lines: lines(m.read("/etc/fstab")).length, mounts: mounts() }).toEqual({
      ...after,
      mounts: [...after.mounts],
    });
  });
});

test("who finds /etc full after a directory was unmounted says so, and the same command completes it", () => {
  m.write(INI, PLAIN);
  shell(
    `${COPIED}; echo '/usr ${J}/usr none bind,ro,nosuid,nodev,private,nofail,x-jailkit 0 0' >>/etc/fstab`,
  );
  shell(
    `mount ${J}/usr; cp -a /etc /root/etc; mount -t tmpfs -o mode=755,size=16m none /etc; cp -a /root/etc/. /etc`,
  );
  m.run(["sh", "-c", "cat /dev/zero >/etc/zeros"]);
  const { status, stderr } = m.run(["jailkit", "unmount", "--left", J]);
  expect([status, stderr]).toEqual([
    1,
    expect.stringMatching(
      /^jailkit unmount: \/etc: its file system is full.*\(unmounted \/srv\/jail\/usr in \/srv\/jail\)/,
    ),
  ]);
  expect([mounts(), lines(m.read("/etc/fstab")).length]).toEqual([[], 1]);
  shell("rm /etc/zeros");
  m.must(["jailkit", "unmount", "--left", J]);
  expect(lines(m.read("/etc/fstab"))).toEqual([]);
  shell("umount /etc; rm -r /root/etc");
});
