/**
 * What sshd's StrictModes objects to, and what mends it: typed as it is, by root, while the user may exchange whatever
 * stands in the home.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import * as C from "../../ffi/constants.ts";
import { libc } from "../../ffi/libc.ts";
import { adviceText, inWords, withoutTerminal } from "../../src/cli/remedy.ts";
import { passwdByUid } from "../../src/system/accounts.ts";
import { asUser } from "../../src/system/as-user.ts";
import { strictFinding } from "../../src/system/sshd/strict-modes.ts";

// An account of every machine, so that runuser(1) knows it.
const uid = 65534;
const name = passwdByUid(uid)?.name ?? "";
const STRANGER = 4711;

let base: string;
let home: string;
let file: string;
let account: Parameters<typeof strictFinding>[1];

function make(path: string, owner: number, mode: number): void {
  if (path.endsWith("/")) mkdirSync(path);
  else writeFileSync(path, "ssh-ed25519 AAAA\n");
  chownSync(path, owner, owner === 0 ? 0 : uid);
  chmodSync(path, mode);
}

beforeEach(() => {
  // What is above is root's, or sticky.
  base = mkdtempSync("/dev/shm/it's strict-");
  chmodSync(base, 0o755);
  make(`${base}/jail/`, 0, 0o755);
  make(`${base}/jail/home/`, 0, 0o755);
  home = `${base}/jail/home/u`;
  make(`${home}/`, uid, 0o755);
  make(`${home}/.ssh/`, uid, 0o755);
  make(`${home}/.ssh/authorized_keys`, uid, 0o644);
  account = { name, uid, home };
  file = `${account.home}/.ssh/authorized_keys`;
});
afterEach(() => rmSync(base, { recursive: true }));

const found = () => strictFinding(file, account);
function type(command: string): void {
  // The answer for a copy that root has read.
  const { exitCode, stderr } = Bun.spawnSync(["/bin/sh", "-c", command], { stdin: Buffer.from("y\n") });
  const told = String(stderr).replace(/^mv: overwrite .*\? $/, "");
  expect([command, exitCode, told]).toEqual([command, 0, ""]);
}

const SSH = () => `${home}/.ssh`;
const KEYS = () => `${home}/.ssh/authorized_keys`;
const own = (path: () => string, owner: number) => () => lchownSync(path(), owner, uid);
const mode = (path: () => string, bits: number) => () => chmodSync(path(), bits);
const all =
  (...changes: (() => void)[]) =>
  () => {
    for (const change of changes) change();
  };
/** A link in the place of something, to where that is now, out of the home. */
const linkOut = (path: () => string) => () => {
  renameSync(path(), `${base}/elsewhere`);
  symlinkSync(`${base}/elsewhere`, path());
  lchownSync(path(), uid, uid);
};

const quoted = (path: string) => `'${path.replaceAll("'", "'\\''")}'`;
const byUser = (command: string) => withoutTerminal(`runuser -u ${name} -- ${command}`);
const close = (path: () => string) => () => `chmod go-w ${quoted(path())}`;
const aside = (path: () => string) => () => `mv -nT ${quoted(path())} ${quoted(`${path()}.old`)}`;
const theirs = (command: () => string) => () => byUser(command());
const anew = (command: () => string) => () => `put the keys into ${file} anew, after: ${command()}`;
const noLink = (command: () => string) => () =>
  `put a regular file of keys in the place of ${file}, after: ${command()}`;
const HOME = () => home;
const BEFORE = /^put .* after: /;
// Keys that others wrote into it are in the copy, too.
const READ = /; read .*; then: /;

const copied = (path: () => string) => () => {
  const [old, copy] = [path(), `${path()}.new`].map(quoted);
  return `install -o root -g root -m 0644 ${old} ${copy} && cat -v ${copy} && mv -iT ${copy} ${old} || ! rm -f ${copy}`;
};
const copiedByUser = (path: () => string) => () => {
  const [old, copy] = [path(), `${path()}.new`].map(quoted);
  return `${byUser(`install -m 0600 ${old} ${copy}`)}; read ${copy}, for others could write ${old}; then: ${byUser(`mv -T ${copy} ${old}`)}`;
};

const cases: [what: string, plant: () => void, ...remedies: (() => string)[]][] = [
  ["nothing", () => {}],
  ["a file that others can write", mode(KEYS, 0o666), copiedByUser(KEYS)],
  ["a directory that its group can write", mode(SSH, 0o775), theirs(close(SSH))],
  ["both", all(mode(KEYS, 0o666), mode(SSH, 0o777)), theirs(close(SSH)), copiedByUser(KEYS)],
  ["a home that others can write", mode(HOME, 0o777), close(HOME)],
  ["a home that is somebody else's", own(HOME, STRANGER), anew(aside(HOME))],
  ["a home that is root's, and what is right in it", own(HOME, 0)],
  ["a home that is root's, .ssh somebody else's", all(own(HOME, 0), own(SSH, STRANGER)), anew(aside(SSH))],
  ["a home that is root's, .ssh to be written", all(own(HOME, 0), mode(SSH, 0o777)), close(SSH)],
  [
    "all that is root's, and a file to be written",
    all(own(HOME, 0), own(SSH, 0), own(KEYS, 0), mode(KEYS, 0o666)),
    copied(KEYS),
  ],
  [
    "all that is root's, and a file of somebody else's",
    all(own(HOME, 0), own(SSH, 0), own(KEYS, STRANGER)),
    anew(aside(KEYS)),
  ],
  ["a file that is somebody else's", own(KEYS, STRANGER), anew(theirs(aside(KEYS)))],
  ["a .ssh that is somebody else's", own(SSH, STRANGER), anew(theirs(aside(SSH)))],
  [
    "a .ssh that is root's, with a stranger's file",
    all(own(SSH, 0), own(KEYS, STRANGER)),
    anew(theirs(aside(SSH))),
  ],
  ["a .ssh that is root's and to be written", all(own(SSH, 0), mode(SSH, 0o777)), anew(theirs(aside(SSH)))],
  [
    "a file that is root's and to be written",
    all(own(KEYS, 0), mode(KEYS, 0o666)),
    anew(theirs(aside(KEYS))),
  ],
  [
    "a directory in the place of the file",
    all(
      () => rmSync(KEYS()),
      () => make(`${KEYS()}/`, uid, 0o755),
    ),
    anew(theirs(aside(KEYS))),
  ],
  [
    "a link to another file in the home",
    () => {
      renameSync(KEYS(), `${home}/keys`);
      symlinkSync("../keys", KEYS());
      chmodSync(`${home}/keys`, 0o666);
    },
    copiedByUser(() => `${home}/keys`),
  ],
  [
    "a link out of the home, to what can be written",
    all(mode(KEYS, 0o666), linkOut(KEYS)),
    noLink(theirs(aside(KEYS))),
  ],
  [".ssh a link out of the home", all(mode(SSH, 0o777), linkOut(SSH)), noLink(theirs(aside(SSH)))],
  [
    "the file a link, and .ssh root's",
    all(mode(KEYS, 0o666), linkOut(KEYS), own(SSH, 0)),
    noLink(theirs(aside(SSH))),
  ],
];

describe("the printed commands fix the fault", () => {
  test.each(cases)("%s", (_what, plant, ...expected) => {
    plant();
    const seen: string[] = [];
    for (let finding = found(); finding !== undefined && seen.length < 5; finding = found()) {
      const remedy = adviceText(finding.advice);
      expect(remedy).toBe(expected[seen.length]?.() ?? "no more");
      seen.push(remedy);
      type(remedy.replace(BEFORE, "").replace(READ, " && "));
      if (!remedy.startsWith("put ")) continue;
      // What nobody needs to tell the user: a directory of one's own for the keys.
      if (lstatSync(HOME(), { throwIfNoEntry: false }) === undefined) make(`${HOME()}/`, uid, 0o700);
      if (lstatSync(SSH(), { throwIfNoEntry: false }) === undefined) make(`${SSH()}/`, uid, 0o700);
      make(KEYS(), uid, 0o600);
    }
    expect(seen).toHaveLength(expected.length);
  });
});

describe("nothing runs outside of the jail with the uid of a user who is jailed", () => {
  beforeEach(() => {
    account = { name, uid, home: `${base}/jail/./home/u` };
    file = `${account.home}/.ssh/authorized_keys`;
    make(`${base}/jail/usr/`, 0, 0o755);
    make(`${base}/jail/usr/bin/`, 0, 0o755);
    mode(KEYS, 0o666)();
  });
  const launch = (command: string) =>
    withoutTerminal(`jk_chrootlaunch -j ${quoted(`${base}/jail`)} -u ${name} -x /usr/bin/${command}`);

  test("a program of the jail does it", () => {
    for (const program of ["install", "mv"]) make(`${base}/jail/usr/bin/${program}`, 0, 0o755);
    expect(adviceText(found()?.advice ?? "")).toEndWith(
      `; then: ${launch("mv -- -T /home/u/.ssh/authorized_keys.new /home/u/.ssh/authorized_keys")}`,
    );
    own(KEYS, STRANGER)();
    expect(adviceText(found()?.advice ?? "")).toEndWith(
      `, after: ${launch("mv -- -nT /home/u/.ssh/authorized_keys /home/u/.ssh/authorized_keys.old")}`,
    );
  });

  test("the root directory of the host is no jail", () => {
    for (const before of ["/.", "//."]) {
      account = { name, uid, home: before + home };
      file = `${account.home}/.ssh/authorized_keys`;
      expect(adviceText(found()?.advice ?? "")).toStartWith(
        `setsid -fw env -i PATH="$PATH" runuser -u ${name} -- install -m 0600 `,
      );
    }
  });

  test("one that is missing in it goes there", () => {
    const copy = `jk_cp -j ${quoted(`${base}/jail`)} /usr/bin/install`;
    const make = "install -- -m 0600 /home/u/.ssh/authorized_keys /home/u/.ssh/authorized_keys.new";
    expect(adviceText(found()?.advice ?? "")).toStartWith(`${copy} && ${launch(make)}; read `);
  });

  test("what is outside is not reached from it: no command is printed as long as the user can exchange it", () => {
    make(`${base}/keys/`, uid, 0o755);
    const outside = `${base}/keys/u`;
    expect(asUser({ name, jail: `${base}/jail` }, "chmod go-w", outside)).toEqual({
      advice: `first let root alone write the directories above ${outside}`,
      remedy: undefined,
    });
  });
});

test("a file elsewhere is checked from the root directory on, and no change of shared directories is advised", () => {
  file = `${base}/keys`;
  make(file, 0, 0o644);
  const remedy = "let AuthorizedKeysFile name a file that is not below /dev/shm";
  expect(found()).toMatchObject({ message: "/dev/shm can be written by others", advice: inWords(remedy) });
});

test("a file that the user exchanges meanwhile is not changed", () => {
  make(`${base}/roots/`, 0, 0o755);
  make(`${base}/roots/authorized_keys`, 0, 0o666);
  const plants: (() => void)[] = [
    mode(KEYS, 0o666),
    own(KEYS, STRANGER),
    all(mode(SSH, 0o777)),
    own(SSH, STRANGER),
  ];
  for (const plant of plants) {
    plant();
    const remedy = adviceText(found()?.advice ?? "")
      .replace(BEFORE, "")
      .replace(READ, "; ");
    renameSync(SSH(), `${home}/away`);
    symlinkSync(`${base}/roots`, SSH());
    // Root types nothing here that is about anything else.
    expect(remedy).toMatch(
      /^setsid -fw env -i PATH="\$PATH" runuser -u \w+ -- \w+ (?:-m )?\S+ '\/dev\/shm\/it'/,
    );
    Bun.spawnSync(["/bin/sh", "-c", remedy], { stdin: "ignore" });
    const { mode: bits, uid: owner } = lstatSync(`${base}/roots/authorized_keys`);
    expect([remedy, bits & 0o777, owner]).toEqual([remedy, 0o666, 0]);
    expect(readFileSync(`${base}/roots/authorized_keys`, "latin1")).toContain("ssh");
    const directory = lstatSync(`${base}/roots`);
    expect([remedy, directory.mode & 0o777, directory.uid]).toEqual([remedy, 0o755, 0]);
    rmSync(SSH(), { force: true });
    rmSync(`${SSH()}.old`, { force: true });
    renameSync(`${home}/away`, SSH());
    chownSync(SSH(), uid, uid);
    chmodSync(SSH(), 0o755);
    chownSync(KEYS(), uid, uid);
    chmodSync(KEYS(), 0o644);
  }
});

test("a directory with a newline in its name adds no line to a remedy", () => {
  // Nothing above it is sticky.
  const shared = mkdtempSync("/run/strict-");
  try {
    chmodSync(shared, 0o755);
    make(`${shared}/a\ntouch b/`, uid, 0o1777);
    make(`${shared}/a\ntouch b/keys`, uid, 0o644);
    symlinkSync("a\ntouch b/keys", `${shared}/u`);
    const remedy = adviceText(strictFinding(`${shared}/u`, account)?.advice ?? "");
    expect(remedy).toBe(`let AuthorizedKeysFile name a file that is not below ${shared}/a\\ntouch b`);
  } finally {
    rmSync(shared, { recursive: true });
  }
});

describe("without an answer of a name service, no directory is taken from who may live there", () => {
  const { getpwuid_r } = libc;
  afterEach(() => {
    libc.getpwuid_r = getpwuid_r;
  });

  // EIO, and what nslcd(8) and sssd(8) give while their servers are down.
  test.each([C.EIO, C.ENOENT, 111])("errno %d", (errno) => {
    // Nothing above it is sticky.
    const place = mkdtempSync("/run/strict-");
    try {
      chmodSync(place, 0o755);
      make(`${place}/keys/`, STRANGER, 0o755);
      make(`${place}/keys/u`, uid, 0o644);
      const elsewhere = () => adviceText(strictFinding(`${place}/keys/u`, account)?.advice ?? "");
      lchownSync(home, STRANGER, uid);
      const advised = [`chown -h root ${place}/keys`, anew(aside(HOME))()];
      expect([elsewhere(), adviceText(found()?.advice ?? "")]).toEqual(advised);
      libc.getpwuid_r = (() => errno) as typeof getpwuid_r;
      expect(elsewhere()).toStartWith(
        `let AuthorizedKeysFile name a file that is not below ${place}/keys: it may be in the home of its owner (`,
      );
      expect(adviceText(found()?.advice ?? "")).toStartWith(
        `give ${name} another home than ${account.home}: it may be `,
      );
    } finally {
      rmSync(place, { recursive: true });
    }
  });
});
