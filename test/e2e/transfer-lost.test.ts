/** What a jail has on one machine it has on the other after an export and an import, or a warning names it. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const JAIL = "/srv/j";
const FILE = "/root/export.json";
const SECTION = "[mine]\npaths = id\nneed_proc = 1\nneed_logsocket = 1\nusers = games\n";
let old: Machine;
let fresh: Machine;

beforeAll(async () => {
  [old, fresh] = [await openMachine({ under: "ours" }), await openMachine({ under: "ours" })];
  for (const m of [old, fresh]) {
    m.must(["groupadd", "-f", "-r", "jailed"]);
    for (const name of ["jk_init.d", "jk_socketd.d", "jails.d", "jk_uchroot.d"])
      m.mkdir(`/etc/jailkit/${name}`);
    m.remove("/var/lib/jailkit");
  }
  old.write("/etc/jailkit/jk_init.d/mine.ini", SECTION);
});
afterEach(() => {
  for (const m of [old, fresh]) {
    m.run(["jailkit", "delete", "--yes", "--unjail", "--user-files", JAIL]);
    m.run(["userdel", "anna"]);
    m.must(["find", "/etc/jailkit/jk_socketd.d", "/etc/jailkit/jails.d", "-name", "*.ini", "-delete"]);
  }
});
afterAll(async () => {
  await old?.close();
  await fresh?.close();
});

/** What the record, the configuration and the mounts have for the jail; without times and inodes. */
const have = (m: Machine) => {
  const list = m.must(["jailkit", "list", "--json", JAIL]).stdout;
  const [{ record: id, lastRequest: _, ...listed }] = JSON.parse(list).jails;
  const manifest = JSON.parse(m.read(`/var/lib/jailkit/jails/${id}/manifest.json`));
  type Fields = Record<string, unknown>;
  const requests = manifest.requests.filter(({ tool }: Fields) => tool === "jk_init" || tool === "jk_cp");
  const { live, sockets, without } = manifest;
  return {
    ...{ listed, live, sockets, without },
    requests: requests.map(({ time: _time, ...rest }: Fields) => rest),
    paths: manifest.entries.map(({ path }: Fields) => path).sort(),
    fstab: m
      .read("/etc/fstab")
      .split("\n")
      .filter((line) => line.includes(` ${JAIL}/`))
      .sort(),
    mounted: m
      .must(["findmnt", "-rno", "TARGET"])
      .stdout.split("\n")
      .filter((line) => line.startsWith(`${JAIL}/`))
      .sort(),
    sockets2: m.list("/etc/jailkit/jk_socketd.d").map((name) => m.read(`/etc/jailkit/jk_socketd.d/${name}`)),
    exported: m.must(["jailkit", "export", JAIL]).stdout,
    update: m.run(["jk_update", "--check", "-j", JAIL]).status,
  };
};

/** Moves the description, and returns the warnings of both tools, without the name of the tool. */
const transfer = (...options: string[]) => {
  const warningsOf = (stderr: string) =>
    stderr.split("\n").flatMap((line) => line.split(": warning: ")[1] ?? []);
  const { stderr } = old.must(["jailkit", "export", "-o", FILE, JAIL]);
  fresh.write(FILE, old.read(FILE));
  const words = ["jailkit", "import", "--create-users", ...options, "-j", JAIL, FILE];
  return { exported: warningsOf(stderr), imported: warningsOf(fresh.must(words).stderr) };
};

test("a jail that does without what its sections need does without it there, too, also after an update", () => {
  old.write(
    "/etc/jailkit/jails.d/j.ini",
    `[jail ${JAIL}]\nsections = uidbasics, basicshell, mine\nproc = no\nlog_socket = no\n`,
  );
  old.must(["jailkit", "apply"]);
  expect(have(old)).toMatchObject({ without: ["log-socket", "proc"], fstab: [], sockets2: [] });
  expect(transfer()).toEqual({ exported: [], imported: [] });
  fresh.must(["jk_update", "-j", JAIL]);
  expect(have(fresh)).toEqual(have(old));
});

test("a file of before, which does not say what the jail does without, is read", () => {
  old.must(["jk_init", "-j", JAIL, "uidbasics"]);
  old.must(["jailkit", "export", "-o", FILE, JAIL]);
  expect(old.read(FILE)).not.toContain('"without"');
  expect(transfer()).toEqual({ exported: [], imported: [] });
});

test("requests with options, live directories, users and the limits of the log socket are the same", () => {
  old.must(["jk_init", "-j", JAIL, "uidbasics", "basicshell"]);
  old.must(["jk_init", "-k", "-j", JAIL, "mine"]);
  old.must(["jk_cp", "-j", JAIL, "/usr/bin/cut"]);
  old.must(["jk_addjailuser", "-u", "6001", "-s", "/bin/bash", "-j", JAIL, "anna"]);
  old.write(
    "/etc/jailkit/jk_socketd.d/srv-j.ini",
    `[${JAIL}/dev/log]\nbase = 100\npeak = 200\ninterval = 7\n`,
  );
  expect(transfer()).toEqual({ exported: [], imported: [] });
  const comparable = (m: Machine) => {
    const { sockets2, ...rest } = have(m);
    return { ...rest, limits: sockets2.map((text) => text.replace(/^#.*\n/gm, "")) };
  };
  expect(comparable(fresh)).toEqual(comparable(old));
});

test("a live jail is live there, with the same directories", () => {
  old.must(["jk_init", "--live", "-j", JAIL, "basicshell"]);
  expect(transfer()).toEqual({ exported: [], imported: [] });
  // The links into /usr are part of what makes a jail live: the record may have them, or not.
  const comparable = (m: Machine) => {
    const { paths, listed, ...rest } = have(m);
    const links = m.must(["find", JAIL, "-maxdepth", "1", "-type", "l"]).stdout.split("\n").sort();
    const kept = (path: string) => !links.includes(JAIL + path);
    return { ...rest, links, listed: { ...listed, entries: 0 }, paths: paths.filter(kept) };
  };
  expect(comparable(fresh)).toEqual(comparable(old));
});

test("limits that another section of the new machine has stay, and are named", () => {
  old.must(["jk_init", "-j", JAIL, "uidbasics", "mine"]);
  const file = "/etc/jailkit/jk_socketd.d/own.ini";
  fresh.write(file, `[${JAIL}/dev/log]\nbase = 100\npeak = 200\ninterval = 7\n`);
  expect(transfer().imported).toEqual([
    `the limits of the log socket, in ${file}, differ on the two machines: those of this machine are used`,
  ]);
});

test("what an export does not have is named by it", () => {
  old.must(["jk_init", "-j", JAIL, "uidbasics", "basicshell", "mine"]);
  old.must(["useradd", "-m", "-u", "6002", "guest"]);
  old.must(["jk_jailuser", "--jail-side-only", "-j", JAIL, "guest"]);
  const named: [file: string, text: string, line: string][] = [
    [
      "/etc/jailkit/jk_socketd.d/other.ini",
      `[${JAIL}/run/other]\nbase = 100\n`,
      `the socket '${JAIL}/run/other', in `,
    ],
    ["/etc/jailkit/jk_uchroot.d/own.ini", `[guest]\nallowed_jails = ${JAIL}\n`, "[guest] of "],
    [`${JAIL}/etc/jailkit/jk_lsh.ini`, "[guest]\nallow = sftp\n", "[guest] of "],
  ];
  old.mkdir(`${JAIL}/run`);
  old.mkdir(`${JAIL}/etc/jailkit`);
  for (const [file, text] of named) old.write(file, text);
  const fstab = old.read("/etc/fstab");
  old.write(
    "/etc/fstab",
    `${fstab.replace(/^(proc .*\/srv\/j\/proc proc )\S+/m, "$1hidepid=2")}/data ${JAIL}/data none bind 0 0\n`,
  );
  const { exported } = transfer();
  old.write("/etc/fstab", fstab);
  expect(exported).toEqual([
    `left out: the socket '${JAIL}/run/other', in ${named[0]?.[0]}`,
    "left out: the options hidepid=2 of proc, in /etc/fstab",
    `left out: what /etc/fstab mounts on '${JAIL}/data'`,
    `left out: [guest] of ${named[1]?.[0]}, by which jk_uchroot lets somebody in`,
    `left out: the line of 'guest' in the jail's etc/passwd; write it there with: jk_jailuser --jail-side-only -j ${JAIL} guest`,
    `left out: [guest] of ${named[2]?.[0]}, which is for none of its users`,
  ]);
  // As it is told, on the machine that has the account.
  fresh.must(["useradd", "-m", "-u", "6002", "guest"]);
  const command = exported[4]?.split(" with: ")[1] ?? "false";
  fresh.must(["sh", "-c", command]);
  expect(fresh.read(`${JAIL}/etc/passwd`)).toMatch(/^guest:x:6002:/m);
  for (const m of [old, fresh]) m.must(["userdel", "guest"]);
});
