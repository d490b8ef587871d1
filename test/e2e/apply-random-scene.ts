/** Random declarations for apply-random.test.ts, and what somebody does to a machine by hand in between. */
import fc from "fast-check";
import type { Machine } from "../machine/machine.ts";
import { KEYS } from "./apply-scene.ts";

export const FILES = ["/etc/jailkit/jails.d/one.ini", "/etc/jailkit/jails.d/two.ini"] as const;
export const JAILS = ["/srv/a", "/srv/b", "/srv/c"] as const;
export const NAMES = ["anna", "bob", "carl", "dora"] as const;
/** A group with a fixed gid, so that a declaration can name it by that. */
export const GID = "4321";
/** A directory of the machine that a jail of copies may show live, too. */
export const TOOL = "/opt/tool";
export const TEST_SECTIONS = "[needy]\nneed_logsocket = 1\nneed_proc = 1\npaths = /usr/bin/true\n";

const some = <T>(items: readonly T[]) => fc.subarray([...items]);
const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined });
const flag = fc.constantFrom("", "", "yes", "no");

const SHELL = "uidbasics, basicshell";
const jail = fc.record({
  sections: fc
    .tuple(
      fc.oneof({ weight: 9, arbitrary: fc.constant(SHELL) }, fc.constant("uidbasics")),
      some(["sftp", "scp", "needy"]),
    )
    .map(([first, more]) => [first, ...more].join(", ")),
  files: some(["id", "/usr/bin/who", "/etc/hostname"]).map((files) => files.join(", ")),
  live: fc.constantFrom("", "", "/usr", TOOL, `/usr, ${TOOL}`),
  logSocket: flag,
  proc: flag,
});

const key = fc
  .tuple(fc.constantFrom("", "", "no-pty ", 'restrict,from="10.0.0.0/8" '), fc.nat(1))
  .map(([options, nth]) => `${options}${KEYS[nth]}`);
const keys = fc.uniqueArray(key, { maxLength: 2, selector: (line) => line.split(" ").at(-1) });
const access = fc.constantFrom(
  "shell = /bin/bash",
  "shell = /bin/bash\nconfine = 1",
  "shell = /bin/bash\nlimits = nproc 64, nofile 256\nread = /etc/hostname",
  "shell = /bin/sh\nnetwork = none\nwrite = ~",
  "shell = /bin/sh",
  "allow = sftp",
  "allow = sftp, scp\numask = 027",
  "allow = scp\nread = ~\nlimits = nproc 32",
  "shell = /usr/sbin/jk_lsh\nallow = sftp",
);
const user = fc.record({
  jail: fc.constantFrom(0, 0, 0, 1, 1, 2),
  access,
  groups: some(["team", "jailed", GID]).map((groups) => groups.join(", ")),
  keys,
  comment: fc.constantFrom("", "", "A Name", "Other, Name"),
  odd: fc.nat(11).map((n) => n === 0),
  // The uid of another one, who may have it: often an error.
  uidOf: maybe(fc.nat(3)),
  takes: fc.nat(11).map((n) => n === 0),
  // An error for an account that is there: not often.
  away: fc.nat(11).map((n) => n === 0),
});

/** Of each jail and user its section, or undefined. */
const wish = fc.record({
  jails: fc.tuple(jail, maybe(jail), maybe(jail)),
  users: fc.tuple(maybe(user), maybe(user), maybe(user), maybe(user)),
});
type Wish = typeof wish extends fc.Arbitrary<infer T> ? T : never;

const entry = (key: string, value: string | undefined) => (value ? `${key} = ${value}\n` : "");

/** The text of a declaration. */
export function textOf({ jails, users }: Wish): string {
  const sections = jails.map((one, nth) => {
    if (one === undefined) return "";
    // The others are jails of copies, which cannot become live with /usr.
    const live = nth < 2 && one.live.startsWith("/usr") ? "" : one.live;
    const { sections, files, logSocket, proc } = one;
    return `[jail ${JAILS[nth]}]\n${entry("sections", sections)}${entry("files", files)}${entry("live", live)}${entry("log_socket", logSocket)}${entry("proc", proc)}`;
  });
  const accounts = users.map((one, nth) => {
    if (one === undefined) return "";
    // A uid that comes and goes is an error for an account that is there: not often.
    const uid = nth < 2 !== one.odd ? `5001${one.takes ? (one.uidOf ?? nth) : nth}` : "";
    // A user whose jail is not declared is an error: not often.
    const place = jails[one.jail] === undefined ? 0 : one.jail;
    const home = one.away ? `/home/${NAMES[nth]}-2` : "";
    return `[user ${NAMES[nth]}]\njail = ${JAILS[place]}\n${one.access}\n${entry("home", home)}${entry("groups", one.groups)}${entry("comment", one.comment)}${entry("uid", uid)}${entry("authorized_keys", one.keys.join("\n  "))}`;
  });
  return [...sections, ...accounts].join("");
}

/** Writes a declaration into one file, or its users into another one. */
export function declare(m: Machine, text: string, split: boolean): void {
  const users = split ? text.search(/^\[user /m) : -1;
  const [first, second] = users < 0 ? [text, ""] : [text.slice(0, users), text.slice(users)];
  m.write(FILES[0], first);
  if (split) m.write(FILES[1], second);
  else m.remove(FILES[1]);
}

/** A section that somebody adds by hand; it stays, as no declaration has it. */
export const BY_HAND = "rsync";

const unmount = (jail: string) =>
  `for i in proc usr opt/tool; do umount ${jail}/$i; done; ! findmnt -rno TARGET | grep ^${jail}/`;

/** What is done by hand, with shell commands for a jail and a user. */
const EDITS: Readonly<Record<string, (jail: string, user: string) => string>> = {
  userdel: (_, user) => `userdel ${user}`,
  userdelr: (_, user) => `userdel -r ${user}`,
  comment: (_, user) => `usermod -c Somebody ${user}`,
  usermod: (_, user) => `usermod -s /bin/sh ${user}`,
  joins: (_, user) => `usermod -aG team ${user}`,
  gpasswd: (_, user) => `gpasswd -d ${user} team`,
  key: (jail, user) => `sed -i 1d ${jail}/home/${user}/.ssh/authorized_keys`,
  keys: (jail, user) => `rm ${jail}/home/${user}/.ssh/authorized_keys`,
  home: (jail, user) => `rm -r ${jail}/home/${user}`,
  entry: (jail, user) => `sed -i /^${user}:/d ${jail}/etc/passwd`,
  shell: (jail, user) => `sed -i '/^${user}:/s|[^:]*$|/bin/sh|' ${jail}/etc/passwd`,
  group: (jail) => `sed -i '/^team:/d' ${jail}/etc/group`,
  rights: (jail) => `rm ${jail}/etc/jailkit/jk_lsh.ini`,
  right: (jail) => `sed -i 's/sftp/scp/' ${jail}/etc/jailkit/jk_lsh.ini`,
  settings: (_, user) => `rm /etc/jailkit/jk_chrootsh.d/${user}.ini`,
  socket: (jail) => `rm /etc/jailkit/jk_socketd.d/${jail.slice(1).replace("/", "-")}.ini`,
  umount: unmount,
  fstab: (jail) => `sed -i '\\|${jail}/|d' /etc/fstab`,
  update: (jail) => `jk_update -j ${jail}`,
  section: (jail) => `test -d ${jail} && jk_init -j ${jail} ${BY_HAND}`,
  sftp: (jail) => `jk_init -j ${jail} --remove sftp`,
  file: (jail) => `jk_cp -j ${jail} --remove /usr/bin/id`,
  bash: (jail) => `rm ${jail}/bin/bash`,
  // The record begins anew: devices of sections that are not wanted any more would stay.
  emptied: (jail) => `${unmount(jail)} && cd ${jail} && rm -rf usr opt lib* bin sbin etc dev var`,
  jail: (jail) => `${unmount(jail)} && rm -rf ${jail}`,
  delete: (jail) => `jailkit delete --yes --unjail --user-files ${jail}`,
  out: (_, user) => `jk_jailuser --unjail -m -s /usr/sbin/nologin ${user}`,
  alone: (_, user) => `jk_jailuser --unjail -n -s /usr/sbin/nologin ${user}`,
  unjail: (jail) => `jailkit delete --yes --unjail ${jail}`,
  hand: (jail, user) => `jk_addjailuser -s /bin/bash ${jail} ${user}`,
  useradd: (_, user) => `useradd -m ${user}`,
  forget: (jail) => `jailkit forget --with-users ${jail}`,
  lost: (jail) => `${unmount(jail)} && mv -nT ${jail} ${jail}-aside`,
  back: (jail) => `test -e ${jail} || mv ${jail}-aside ${jail}`,
  moved: (jail) =>
    `${unmount(jail)} && mv -nT ${jail} ${jail}-new && jailkit adopt --moved ${jail} ${jail}-new`,
  mount: (jail) => `jailkit mount ${jail}`,
  left: (jail) => `jailkit unmount --left ${jail}`,
  noauto: (jail) => `sed -Ei '\\|${jail}/|s/(\\S+)( 0 0)?$/noauto,\\1\\2/' /etc/fstab`,
  ownoptions: (jail) =>
    `sed -Ei '\\| ${jail}/|s/^(\\S+ \\S+ \\S+) \\S+/\\1 ro,x-systemd.requires=a.mount/' /etc/fstab`,
  source: (jail) => `sed -Ei '\\| ${jail}/usr |s|^/usr|/var|' /etc/fstab`,
  doubled: (jail) => `sed -Ei '\\| ${jail}/|p' /etc/fstab`,
  link: (jail) => `umount ${jail}/opt/tool && rmdir ${jail}/opt/tool && ln -s /usr/bin ${jail}/opt/tool`,
};
/** What apply does not put back: it does not read the files of a jail. */
export const HURTS = new Set([
  "bash",
  "forget",
  "moved",
  "back",
  "lost",
  "hand",
  "useradd",
  "alone",
  "ownoptions",
]);

/** What takes proc or the log socket from a jail. */
export const TAKES = new Set([
  "umount",
  "fstab",
  "socket",
  "emptied",
  "jail",
  "delete",
  "unjail",
  "lost",
  "moved",
  "link",
]);

const edit = fc.record({
  what: fc.constantFrom(...Object.keys(EDITS), "out", "out"),
  jail: fc.constantFrom(0, 0, 0, 1, 2),
  user: fc.nat(3),
});
export type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

/** Calls of a run that change something. */
const CALLS = [
  "renameat2",
  "renameat",
  "linkat",
  "unlinkat",
  "mkdirat",
  "fchmod",
  "fchownat",
  "mount",
  "wait4",
] as const;

/** A declaration, edits after it was written, and the options of the run. */
const round = fc.record({
  wish,
  // The one of before, with few differences.
  keep: fc.boolean(),
  split: fc.boolean(),
  // The run gets the file with the users, and not the others.
  alone: fc.nat(5).map((n) => n === 0),
  edits: fc.array(edit, { maxLength: 3 }),
  options: fc.constantFrom([], [], ["--prune"], ["--prune", "--delete-homes"]),
  // A run before is killed at this call.
  kill: fc.option(
    fc.record({
      call: fc.constantFrom(...CALLS),
      nth: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 80 })),
    }),
    { nil: undefined, freq: 2 },
  ),
  // What errors advise is done, and the run repeated.
  heed: fc.boolean(),
});
export type Round = typeof round extends fc.Arbitrary<infer T> ? T : never;
export const rounds = fc.array(round, { minLength: 2, maxLength: 5, size: "max" });

/** The command of an edit. */
export const commandOf = ({ what, jail, user }: Edit): string =>
  EDITS[what]?.(JAILS[jail] ?? "", NAMES[user] ?? "") ?? "false";

/** Does it by hand; it may fail, as there may be nothing to change. */
export const edits = (m: Machine, all: readonly Edit[]) => {
  for (const one of all) m.run(["sh", "-c", commandOf(one)]);
};
