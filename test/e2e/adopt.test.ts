import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import {
  type AdoptionReport,
  adoptAllReportSchema,
  adoptionReportSchema,
} from "../../src/jails/report-schema.ts";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import { updateReportSchema } from "../../src/update/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { installTools } from "../machine/tools.ts";
import { reportOf } from "../report.ts";
import { openManifestFile } from "./manifest-file.ts";

setDefaultTimeout(120_000);

const tools = ["jk_init", "jk_cp", "jk_update", "jk_check", "jailkit"];
const REGISTRY = "/var/lib/jailkit";

function adopt(m: Machine, ...args: string[]): AdoptionReport {
  return reportOf(adoptionReportSchema, m.must(["jailkit", "adopt", "--json", ...args]).stdout);
}

describe("a jail whose record was lost", () => {
  let m: Machine;
  beforeAll(async () => {
    m = await openMachine({ under: "ours", only: tools });
  });
  afterAll(async () => m.close());

  test("is known again: sections, files with their options, and nothing needs an update", () => {
    m.write("/opt/tool/data", "data");
    m.write("/opt/tool/more/data", "data");
    m.write("/usr/local/bin/special", "#!/bin/sh\n", { mode: 0o755 });
    m.must(["chmod", "4755", "/usr/local/bin/special"]);
    m.write("/etc/jailkit/jk_init.d/empty.ini", "[empty]\npaths = tac\nemptydirs = /only/in/jails\n");
    m.must(["jk_init", "-j", "/srv/j", "basicshell", "sftp", "empty"]);
    m.must(["jk_cp", "-j", "/srv/j", "strace", "/opt/tool"]);
    m.must(["jk_cp", "-s", "-j", "/srv/j", "special"]);
    const before = openManifestFile(m, "/srv/j");
    m.remove(REGISTRY);
    expect(m.run(["jailkit", "list", "/srv/j"]).stdout).toContain("unrecorded");
    const seen = m.snapshot("/srv/j");
    const dry = adopt(m, "--dry-run", "/srv/j");
    expect(m.exists(REGISTRY)).toBe(false);
    const found = adopt(m, "/srv/j");
    expect(found).toEqual({ ...dry, dryRun: false });
    expect(found.sections.map(({ name }) => name).sort()).toEqual(["basicshell", "empty", "sftp"]);
    expect(found.files).toEqual([
      { path: "/usr/bin/strace", owner: false, setuid: false },
      { path: "/usr/local/bin/special", owner: false, setuid: true },
      { path: "/opt/tool", owner: false, setuid: false },
    ]);
    expect(found.unexplained).toEqual([]);
    const after = openManifestFile(m, "/srv/j");
    const paths = (manifest: typeof after) => manifest.entries.map(({ path }) => path).sort();
    expect(paths(after)).toEqual(paths(before));
    expect(m.snapshot("/srv/j")).toEqual(seen);
    expect(m.run(["jk_update", "--check", "-j", "/srv/j"])).toMatchObject({ status: 0, stderr: "" });
    expect(m.run(["jailkit", "adopt", "/srv/j"]).status).toBe(1);
    expect(m.run(["jailkit", "adopt", "--force", "/srv/j"]).status).toBe(0);
  });

  test("is compared with one plan of each step: a directory of the host is listed once by it, and once before", () => {
    m.write("/opt/trees/one", "1");
    m.write("/opt/trees/two", "2");
    m.write("/etc/jailkit/jk_init.d/trees.ini", "[trees]\npaths = tac, /opt/trees\n");
    m.must(["jk_init", "-j", "/srv/trees", "trees"]);
    m.remove(REGISTRY);
    const trace = ["strace", "-f", "-qq", "-y", "-o", "/root/trace", "-e", "trace=getdents64"];
    m.must([...trace, "jailkit", "adopt", "/srv/trees"]);
    const lines = m.read("/root/trace").split("\n");
    // The last call of each list returns nothing.
    const ends = lines.filter((line) => line.includes("</opt/trees>") && line.endsWith(" = 0"));
    expect(ends.length).toBe(2);
    m.must(["rm", "-r", "/srv/trees", "/opt/trees", "/etc/jailkit/jk_init.d/trees.ini", REGISTRY]);
  });

  test("and all of them at once, with a line for each; problems stop nothing, and are told at the end", () => {
    const all = ["/srv/all/a", "/srv/all/b", "/srv/all/c"];
    for (const [at, jail] of all.entries()) {
      m.must(["jk_init", "-j", jail, "uidbasics", ...(at === 0 ? ["sftp"] : [])]);
      m.write(`${jail}/etc/own`, "x");
      m.addUser(`all${at}`, { home: `${jail}/./home/all${at}` });
    }
    m.must(["cp", "/usr/bin/tac", "/srv/all/b/tac"]);
    m.mkdir("/srv/all/none");
    m.addUser("none", { home: "/srv/all/none/./home" });
    m.addUser("gone", { home: "/srv/all/gone/./home" });
    m.must(["jk_init", "-j", "/srv/all/known", "uidbasics"]);
    const known = openManifestFile(m, "/srv/all/known");
    const { record } = JSON.parse(m.must(["jailkit", "list", "--json", "/srv/all/known"]).stdout).jails[0];
    m.must([
      "sh",
      "-ec",
      `cd ${REGISTRY}/jails; for one in *; do test "$one" = ${record} || rm -r "$one"; done`,
    ]);
    m.chmod("/srv/all/c", 0o777);
    const run = (...words: string[]) => m.run(["jailkit", "adopt", "--all", ...words]);
    const problems = [
      "jailkit adopt: /srv/all/c: .*chmod go-w /srv/all/c .*",
      "jailkit adopt: /srv/all/none: none of its files is the host's",
    ];
    const told = new RegExp(`^${problems.join("\\n")}\\n$`);
    const lines = (last: string) =>
      new RegExp(
        `^/srv/all/a: \\d+ objects are explained, by sftp, 1 are not explained\\n/srv/all/b: \\d+ objects are explained, by uidbasics, [12] are not explained\\n${last}\\n$`,
      );
    const dry = run("--dry-run");
    expect(dry.status).toBe(1);
    expect(dry.stdout).toMatch(lines("2 jails would get a record \\(dry run: nothing was recorded\\)"));
    expect(dry.stderr).toMatch(told);
    expect(m.list(`${REGISTRY}/jails`)).toEqual([record]);
    const done = run();
    expect(done.status).toBe(1);
    expect(done.stdout).toMatch(lines("2 jails have a record now"));
    expect(done.stderr).toMatch(told);
    expect(openManifestFile(m, "/srv/all/known")).toEqual(known);
    m.chmod("/srv/all/c", 0o755);
    m.must(["userdel", "none"]);
    const last = run("--json");
    expect([last.status, last.stderr]).toEqual([0, ""]);
    expect(reportOf(adoptAllReportSchema, last.stdout)).toMatchObject({
      jails: [{ jail: "/srv/all/c", sections: ["uidbasics"], lacking: [], unexplained: 1, problems: [] }],
      problems: [],
    });
    expect(run()).toMatchObject({ status: 0, stdout: "0 jails have a record now\n", stderr: "" });
    for (const words of [["/srv/all/a"], ["-j", "/srv/all/a"], ["--force"], ["--moved", "/srv/x"]])
      expect([words, run(...words).status]).toEqual([words, 2]);
    for (const user of ["all0", "all1", "all2", "gone"]) m.must(["userdel", user]);
    m.must(["rm", "-rf", "/srv/all", REGISTRY]);
  });

  test("files created in it, and files of users, are reported and left alone", () => {
    m.write("/usr/share/known/a", "of the host");
    m.must(["jk_init", "-j", "/srv/k", "uidbasics"]);
    m.must(["jk_cp", "-j", "/srv/k", "/usr/share/known"]);
    m.remove(REGISTRY);
    m.write("/srv/k/usr/share/known/a", "written here");
    m.write("/srv/k/usr/bin/own", "written here", { mode: 0o755 });
    m.write("/srv/k/opt/theirs", "theirs", { owner: [4001, 4001] });
    m.write("/srv/k/home/u/file", "theirs", { owner: [4001, 4001] });
    m.chown("/srv/k/home/u", 4001, 4001);
    const { unexplained } = adopt(m, "/srv/k");
    expect(unexplained.map(({ path }) => path).sort()).toEqual([
      "/opt/theirs",
      "/usr/bin/own",
      "/usr/share/known/a",
    ]);
    m.write("/usr/share/known/a", "of the host, newer");
    expect(m.run(["jk_update", "-j", "/srv/k"]).status).toBe(0);
    expect(m.read("/srv/k/usr/share/known/a")).toBe("written here");
    expect(m.exists("/srv/k/usr/bin/own")).toBe(true);
  });

  test("is recorded as a new one would be: without an ACL's mask", () => {
    m.mkdir("/srv/acl");
    m.write("/usr/share/team", "x", { mode: 0o640 });
    m.must(["jk_cp", "-j", "/srv/acl", "/usr/share/team", "/usr/share/keyrings"]);
    m.remove(REGISTRY);
    m.must(["setfacl", "-m", "u:4711:rw", "/srv/acl/usr/share/team"]);
    adopt(m, "/srv/acl");
    const { entries } = openManifestFile(m, "/srv/acl");
    expect(entries.find(({ path }) => path === "/usr/share/team")?.mode).toBe(0o640);
  });

  test("of hard links", () => {
    m.must(["jk_init", "-k", "-j", "/srv/l", "uidbasics"]);
    m.remove(REGISTRY);
    expect(adopt(m, "/srv/l").hardlink).toBe(true);
    expect(openManifestFile(m, "/srv/l").entries.some(({ hardLink }) => hardLink === true)).toBe(true);
    expect(m.run(["jk_update", "--check", "-j", "/srv/l"]).status).toBe(0);
  });

  test("the socket of jk_socketd needs no explanation, and no socket is a copy of the host's", async () => {
    const sockets = ["/srv/s/dev/log", "/srv/s/dev/other", "/dev/other"];
    m.write("/etc/jailkit/jk_socketd.ini", "[/srv/s/dev/log]\n");
    m.must(["jk_init", "-j", "/srv/s", "uidbasics"]);
    m.must(["mkdir", "-p", "/srv/s/dev"]);
    await m.startSyslog();
    const bind = "import socket, sys\nfor path in sys.argv[1:]: socket.socket(socket.AF_UNIX).bind(path)\n";
    m.must(["python3", "-c", bind, ...sockets]);
    m.remove(REGISTRY);
    const { files, unexplained } = adopt(m, "/srv/s");
    expect([files, unexplained.map(({ path }) => path)]).toEqual([[], ["/dev/other"]]);
  });

  test("that was moved far away is found; if not, the message says where it was searched", () => {
    m.must(["jk_init", "-j", "/srv/far", "uidbasics"]);
    m.mkdir("/var/lib/sites/a/b");
    m.must(["mv", "/srv/far", "/var/lib/sites/a/b/far"]);
    expect(m.must(["jailkit", "adopt", "--moved", "/srv/far"]).stdout).toContain(
      "/srv/far is now /var/lib/sites/a/b/far",
    );
    expect(m.must(["jailkit", "list"]).stdout).toContain("/var/lib/sites/a/b/far");
    m.remove("/var/lib/sites/a/b/far");
    const lost = m.run(["jailkit", "adopt", "--moved", "/var/lib/sites/a/b/far"]);
    expect(lost.status).toBe(1);
    expect(lost.stderr).toMatch(
      /was not found near its old path, near other jails, or in \/home, \/srv, \/var/,
    );
    expect(lost.stderr).toContain("give its new path: jailkit adopt --moved /var/lib/sites/a/b/far NEW");
    expect(m.run(["jailkit", "adopt", "--moved", "/srv/never"]).stderr).toContain(
      "there is no record of this jail",
    );
  });

  test("whose old path is mistyped is not said to be moved", () => {
    m.must(["jk_init", "-j", "/srv/here", "uidbasics"]);
    const record = () => m.must(["sh", "-c", "find /var/lib/jailkit/jails -type f | xargs sha256sum"]).stdout;
    const before = record();
    const mistyped = ["jailkit", "adopt", "--moved", "/srv/hree", "/srv/here"];
    for (const words of [mistyped, [...mistyped, "--dry-run"]]) {
      const { status, stdout, stderr } = m.run(words);
      expect([status, stdout]).toEqual([1, ""]);
      expect(stderr).toBe(
        "jailkit adopt: /srv/hree: no record, account, declaration or other file of the configuration names it, so nothing was changed for /srv/here; 'jailkit list' shows the jails that are missing\n",
      );
    }
    expect(m.run([...mistyped, "--json"]).stdout).toContain('"not-moved"');
    expect(record()).toBe(before);
    // A link of root's leads to the jail by the old path, though nothing else names it.
    m.must(["ln", "-s", "/srv/here", "/srv/hree"]);
    expect(m.run(mistyped)).toMatchObject({ status: 0, stderr: "" });
    m.remove("/srv/hree");
    // A move that was followed to its end.
    m.rename("/srv/here", "/srv/there");
    const moved = ["jailkit", "adopt", "--moved", "/srv/here", "/srv/there"];
    expect(m.must(moved).stdout).toStartWith("/srv/here is now /srv/there\n");
    expect(m.run(moved)).toMatchObject({ status: 1, stdout: "" });
    m.must(["jailkit", "delete", "--yes", "/srv/there"]);
  });

  test("is followed in a file of jails.d that is longer than other config files may be", () => {
    const file = "/etc/jailkit/jails.d/long.ini";
    const comments = `${"#".repeat(99)}\n`.repeat(20_000);
    const text = (jail: string) => `${comments}[jail ${jail}]\nsections = uidbasics\n`;
    m.must(["jk_init", "-j", "/srv/l", "uidbasics"]);
    m.rename("/srv/l", "/srv/longer");
    m.write(file, text("/srv/l"));
    expect(m.run(["jailkit", "adopt", "--moved", "/srv/l", "/srv/longer"])).toMatchObject({
      status: 0,
      stderr: "",
    });
    expect(m.read(file) === text("/srv/longer")).toBe(true);
    m.remove(file);
    m.must(["jailkit", "delete", "--yes", "/srv/longer"]);
  });

  test("to a path that an ini file would cut is not followed, and to another one after that is", () => {
    const [old, uchroot, check] = ["/srv/cut", "/etc/jailkit/jk_uchroot.ini", "/etc/jailkit/jk_check.ini"];
    m.must(["jk_init", "-j", old, "uidbasics"]);
    const files = [uchroot, check].map((file) => [file, m.exists(file) ? m.read(file) : ""] as const);
    const write = (jail: string) => {
      m.write(uchroot, `[eve]\nallowed_jails = ${jail}, /srv/more\n`);
      m.write(check, `[${jail}]\n`);
    };
    let at = old;
    for (const place of ["/srv/a, b", "/srv/a ", "/srv/a]b", "/srv/a\n[root]"]) {
      write(old);
      m.rename(at, place);
      at = place;
      const { status, stdout, stderr } = m.run(["jailkit", "adopt", "--moved", old, place]);
      expect([place, status, stdout]).toEqual([place, 1, ""]);
      expect(stderr).toContain(
        "move the jail to another path, and then type: jailkit adopt --moved /srv/cut NEW",
      );
      expect(m.read(uchroot)).toContain(`= ${old}, /srv/more\n`);
    }
    m.rename(at, "/srv/whole");
    m.must(["jailkit", "adopt", "--moved", old, "/srv/whole"]);
    expect([m.read(uchroot), m.read(check)]).toEqual([
      "[eve]\nallowed_jails = /srv/whole, /srv/more\n",
      "[/srv/whole]\n",
    ]);
    for (const [file, text] of files) m.write(file, text);
    m.must(["jailkit", "delete", "--yes", "/srv/whole"]);
  });

  test("only what names it as the host does follows, and no path that users of other jails see", () => {
    const [old, now, more] = ["/web", "/srv/moved-web", "/srv/other"];
    const texts = {
      "jails.d/two.ini": [
        `# files of ${old}`,
        ...[`[jail ${old}]`, "sections = uidbasics", `[jail ${more}]`, `files = ${old}/tool`],
        ...["[user ann]", `jail = ${old}`, `read = ${old}, /pub`],
        ...[
          "[user bob]",
          `jail = ${more}`,
          "shell = /bin/bash",
          `home = ${old}/bob`,
          `read = ${old},`,
          `  ${old}/x`,
        ],
        `write = ${old}`,
        ...[`comment = files of ${old}`, "authorized_keys =", `  command="ls ${old} x" ssh-ed25519 AAAA x`],
      ],
      "jk_chrootsh.d/bob.ini": ["[bob]", `read = ${old}`, `write = ${old}`],
      "jk_uchroot.d/bob.ini": ["[bob]", `allowed_jails = ${old}, ${more}`, `read = ${old}`],
      "jk_update.d/web.ini": [`[${old}]`, `skips = ${old}`],
      "jk_check.d/web.ini": [`[${old}]`, `ignorepathoncompare = ${old}/home, ${old}`],
      // An example.
      "jails.ini": [`#[jail ${old}]`, "#sections = uidbasics", `  ; jail = ${old}`],
      "jk_init.d/web.ini": ["[web]", `paths = ${old}/bin/tool`, `emptydirs = ${old}`, `comment = of ${old}`],
    };
    const ofHost = /^(?:#|\[|(?:files|jail|paths|allowed_jails|ignorepathoncompare) = )/;
    m.must(["jk_init", "-j", old, "uidbasics"]);
    for (const [file, lines] of Object.entries(texts))
      m.write(`/etc/jailkit/${file}`, `${lines.join("\n")}\n`);
    m.must(["mv", old, now]);
    const { stdout } = m.must(["jailkit", "adopt", "--moved", old, now]);
    expect(stdout).toContain("/etc/jailkit/jails.d/two.ini names");
    expect(stdout).not.toContain("/etc/jailkit/jails.ini");
    for (const [file, lines] of Object.entries(texts)) {
      const follows = (line: string) => file !== "jails.ini" && ofHost.test(line);
      const wanted = lines.map((line) => (follows(line) ? line.replaceAll(old, now) : line));
      expect([file, m.read(`/etc/jailkit/${file}`)]).toEqual([file, `${wanted.join("\n")}\n`]);
      m.remove(`/etc/jailkit/${file}`);
    }
    m.must(["jailkit", "delete", "--yes", now]);
  });

  test("a directory of a user with the same inode on another file system is not the jail that was moved", () => {
    m.addUser("eve");
    m.must(["sh", "-ec", "mkdir /srv/apart; mount -t tmpfs none /srv/apart; cd /srv/apart; mkdir 1 2 3 4 5"]);
    const lost = "/srv/apart/lost";
    m.must(["jk_init", "-j", lost, "uidbasics"]);
    const inode = m.must(["stat", "-c", "%i", lost]).stdout.trim();
    m.must(["sh", "-ec", "mount -t tmpfs none /home; install -d -o eve -m 0755 /home/eve"]);
    const forge = `cd /home/eve; n=0; until [ "$(stat -c %i d$n 2>/dev/null)" = ${inode} ]; do n=$((n + 1)); mkdir d$n; done; cp -r ${lost}/. d$n || :; echo d$n`;
    const forged = m.must(["sh", "-ec", forge], { user: "eve" }).stdout.trim();
    m.must(["mv", lost, "/opt/lost"]);
    try {
      const { status, stdout, stderr } = m.run(["jailkit", "adopt", "--moved", lost]);
      expect({ forged, status, stdout }).toEqual({ forged, status: 1, stdout: "" });
      expect(stderr).toContain("directories that users could exchange were skipped; give its new path");
    } finally {
      m.must(["umount", "/home", "/srv/apart"]);
    }
    // The copy on another file system has another inode.
    expect(m.must(["jailkit", "adopt", "--moved", lost, "/opt/lost"]).stdout).toContain("is now /opt/lost");
  });

  test("another jail of the same sections, with a record of its own, is not the jail that was moved", () => {
    m.mkdir("/srv/disk");
    const disk = () => m.must(["mount", "-t", "tmpfs", "none", "/srv/disk"]);
    const [first, second] = ["/srv/disk/first", "/srv/disk/second"];
    disk();
    m.must(["jk_init", "-j", first, "uidbasics"]);
    m.must(["umount", "/srv/disk"]);
    disk();
    m.must(["jk_init", "-j", second, "uidbasics", "netbasics"]);
    try {
      const { ino } = openManifestFile(m, second).jail;
      expect(ino).toBe(openManifestFile(m, first).jail.ino);
      expect(m.run(["jailkit", "disk", first]).stderr).not.toContain(second);
      for (const named of [[], [second]]) {
        const { status, stdout } = m.run(["jailkit", "adopt", "--moved", first, ...named]);
        expect({ named, status, stdout }).toEqual({ named, status: 1, stdout: "" });
      }
      expect(openManifestFile(m, second).requests).toHaveLength(1);
    } finally {
      m.must(["umount", "/srv/disk"]);
    }
    for (const jail of [first, second]) m.must(["jailkit", "forget", jail]);
  });

  test("does not follow to the path of another jail, whose users would get it, until that one is forgotten", () => {
    const [moved, other] = ["/srv/moved", "/srv/other"];
    // Nothing of what is recorded of the other one is in this.
    m.must(["jk_init", "-j", moved, "terminfo"]);
    m.must(["jk_init", "-j", other, "netbasics"]);
    m.must(["useradd", "-M", "-d", `${other}/./home/otto`, "otto"]);
    m.must(["mv", other, "/srv/away"]);
    m.must(["mv", moved, other]);
    const list = () => m.run(["jailkit", "list", moved]).stderr;
    expect(list()).not.toContain(`adopt --moved ${moved} ${other}`);
    const record = openManifestFile(m, other);
    const { status, stdout, stderr } = m.run(["jailkit", "adopt", "--moved", moved, other]);
    const why = `another jail is recorded there; if that one is gone for good, forget it first: jailkit forget ${other}`;
    expect([status, stdout, stderr]).toEqual([
      ...[1, "", `jailkit adopt: ${other}: is not the jail that was at ${moved}: ${why}\n`],
    ]);
    expect(openManifestFile(m, other)).toEqual(record);
    m.must(["userdel", "otto"]);
    m.must(["jailkit", "forget", other]);
    expect(list()).toContain(`adopt --moved ${moved} ${other}`);
    m.must(["jailkit", "adopt", "--moved", moved, other]);
    m.must(["jailkit", "delete", "--yes", other]);
  });

  test("a file system that a program of a user serves is not searched for a jail that was moved", () => {
    m.must(["jk_init", "-j", "/srv/missing", "uidbasics"]);
    m.remove("/srv/missing");
    m.mkdir("/srv/served");
    // Its server never answers.
    const serve = `use Fcntl; sysopen(my $fuse, "/root/fuse", O_RDWR) or die "$!"; my $fd = fileno $fuse;
      my $how = "fd=$fd,rootmode=40000,user_id=0,group_id=0,allow_other";
      my ($source, $type, $path) = ("eve", "fuse", "/srv/served");
      syscall(${process.arch === "x64" ? 165 : 40}, $source, $path, $type, 0, $how) == 0 or die "$!";
      exit 0 if fork; close STDIN; close STDOUT; close STDERR; sleep`;
    m.must(["mknod", "/root/fuse", "c", "10", "229"]);
    m.must(["perl", "-e", serve]);
    try {
      expect(m.run(["jailkit", "adopt", "--moved", "/srv/missing"])).toMatchObject({ status: 1 });
    } finally {
      m.must(["umount", "-l", "/srv/served"]);
    }
  });

  test("that is not one, or is unsafe", () => {
    m.mkdir("/srv/empty");
    expect(m.run(["jailkit", "adopt", "/srv/empty"]).status).toBe(1);
    expect(m.run(["jailkit", "adopt", "/no/jail"]).status).toBe(1);
    expect(m.run(["jailkit", "adopt"]).status).toBe(2);
    m.mkdir("/srv/open", { mode: 0o777 });
    expect(m.run(["jailkit", "adopt", "/srv/open"]).status).toBe(1);
  });
});

describe.skipIf(!existsSync("/usr/share/jailkit/jk_lib.py"))("a jail of jailkit 2.23", () => {
  test("is explained by the sections that it was made from, and follows the host from then on", async () => {
    const m = await openMachine({ under: "debian" });
    try {
      m.write("/usr/share/thing/a", "first");
      m.must(["jk_init", "-j", "/srv/j", "basicshell", "sftp", "rsync"]);
      m.must(["jk_cp", "-j", "/srv/j", "/usr/bin/strace", "/usr/share/thing"]);
      installTools(m, "ours", { only: tools });
      m.write("/srv/j/usr/bin/own", "made here");
      const { sections, files, unexplained } = adopt(m, "/srv/j");
      expect(sections.map(({ name }) => name).sort()).toEqual(["basicshell", "rsync", "sftp"]);
      const paths = files.map(({ path }) => path);
      expect(paths).toContain("/usr/bin/strace");
      expect(paths.some((path) => path.startsWith("/usr/share/thing"))).toBe(true);
      expect(unexplained.map(({ path }) => path)).toEqual(["/usr/bin/own"]);
      m.write("/usr/share/thing/a", "second");
      expect(m.run(["jk_update", "-j", "/srv/j"])).toMatchObject({ status: 0, stderr: "" });
      expect(m.read("/srv/j/usr/share/thing/a")).toBe("second");
      expect(m.run(["chroot", "/srv/j", "/usr/bin/bash", "-c", "echo works"]).stdout).toBe("works\n");
      expect(m.run(["jk_update", "--check", "-j", "/srv/j"]).status).toBe(0);
    } finally {
      await m.close();
    }
  });
});

describe.skipIf(!existsSync("/usr/share/jailkit/jk_lib.py"))(
  "a jail of jailkit 2.23 with a time zone",
  () => {
    test.each([true, false])("has not all of them asked for, with /etc/timezone: %p", async (hasFile) => {
      const m = await openMachine({ under: "debian" });
      try {
        if (!hasFile) m.remove("/etc/timezone");
        m.must(["jk_init", "-j", "/srv/j", "basicshell", "sftp", "scp", "rsync", "jk_lsh"]);
        installTools(m, "ours", { only: tools });
        const { sections } = adopt(m, "/srv/j");
        expect(sections.map(({ name }) => name)).not.toContain("timezones");
        m.must(["jk_update", "-j", "/srv/j"]);
        expect(m.exists("/srv/j/usr/share/zoneinfo/Africa")).toBe(false);
        expect(m.exists("/srv/j/usr/share/zoneinfo/Etc/UTC")).toBe(true);
      } finally {
        await m.close();
      }
    });

    test("has them asked for if it has them", async () => {
      const m = await openMachine({ under: "ours" });
      try {
        m.must(["jk_init", "-j", "/srv/j", "uidbasics", "timezones"]);
        m.remove(REGISTRY);
        expect(adopt(m, "/srv/j").sections.map(({ name }) => name)).toContain("timezones");
      } finally {
        await m.close();
      }
    });
  },
);

describe("libraries of the host that no recorded program needs", () => {
  const LIB = "/usr/lib/x86_64-linux-gnu";
  const SOURCES = { "libinner.so.1.2.3": "", "libouter.so.2.0.1": "-lc -l:libinner.so.1" };

  test("are recorded and declared by the names that stay when their versions change", async () => {
    const m = await openMachine({ under: "ours" });
    try {
      for (const [file, needs] of Object.entries(SOURCES)) {
        const soname = file.split(".").slice(0, 3).join(".");
        const flags = `-shared -nostdlib -Wl,--no-as-needed -Wl,-soname,${soname} -L${LIB}`;
        m.must([
          "sh",
          "-ec",
          `echo 'int x;' | cc ${flags} -o ${LIB}/${file} -x c - ${needs && `-x none ${needs}`}`,
        ]);
        m.must(["ln", "-s", file, `${LIB}/${soname}`]);
      }
      m.must(["jk_init", "-j", "/srv/j", "uidbasics"]);
      m.must(["sh", "-ec", `cp -a ${LIB}/libinner* ${LIB}/libouter* /srv/j${LIB}`]);
      m.remove(REGISTRY);
      const { files, unexplained } = adopt(m, "/srv/j");
      expect([files.map(({ path }) => path), unexplained]).toEqual([[`${LIB}/libouter.so.2`], []]);
      // As earlier versions of this recorded it.
      m.must([
        "jk_cp",
        "-j",
        "/srv/j",
        ...["libinner.so.1", "libinner.so.1.2.3"].map((one) => `${LIB}/${one}`),
      ]);
      m.mkdir("/etc/jailkit/jails.d", { mode: 0o755 });
      m.must(["jailkit", "export", "--declaration", "-o", "/etc/jailkit/jails.d"]);
      m.must([
        "sh",
        "-ec",
        `cd ${LIB}; mv libinner.so.1.2.3 libinner.so.1.2.4; ln -sf libinner.so.1.2.4 libinner.so.1`,
      ]);
      expect(m.run(["jailkit", "config", "check"])).toMatchObject({ status: 0, stdout: "" });
      expect(m.run(["jailkit", "apply", "--check"]).status).toBe(0);
      m.must(["jk_update", "-j", "/srv/j"]);
      expect(m.exists(`/srv/j${LIB}/libinner.so.1.2.4`)).toBe(true);
    } finally {
      await m.close();
    }
  });
});

describe("a jail with some hard links whose record was lost", () => {
  test("jk_check tells of them in one line, and of none that jk_update.ini asks for", async () => {
    const m = await openMachine({ under: "ours" });
    try {
      m.must(["jk_init", "-j", "/srv/j", "basicshell", "sftp"]);
      const linked = "cd /srv/j/usr/bin; for i in *; do [ -h $i ] || ln -f /usr/bin/$i $i; done; ls | wc -l";
      expect(Number(m.must(["sh", "-ec", linked]).stdout)).toBeGreaterThan(15);
      m.remove(REGISTRY);
      adopt(m, "/srv/j");
      const lines = () =>
        m
          .run(["jk_check", "/srv/j"])
          .stdout.split("\n")
          .filter((line) => /nothing asked for|no record shows/.test(line));
      expect(lines()).toEqual([
        expect.stringMatching(
          /^WARNING: .* is the same file as the host's .*; this is so of \d+ files in the jail$/,
        ),
      ]);
      m.write("/etc/jailkit/jk_update.ini", "[/srv/j/]\nhardlinks = 1\n");
      expect(lines()).toEqual([]);
      m.remove(REGISTRY);
      expect(lines()).toEqual([]);
      adopt(m, "/srv/j");
      const { entries } = openManifestFile(m, "/srv/j");
      expect(entries.filter(({ hardLink }) => hardLink).length).toBeGreaterThan(15);
      expect(m.run(["jk_update", "--all", "--check"])).toMatchObject({ status: 0, stderr: "" });
      m.write("/etc/jailkit/jk_update.ini", "");
      expect(lines()).toEqual([]);
      m.must(["jk_check", "--fix", "/srv/j"]);
    } finally {
      await m.close();
    }
  });
});

describe("records that are lost", () => {
  let m: Machine;
  beforeAll(async () => {
    m = await openMachine({ under: "ours" });
  });
  afterAll(async () => m.close());

  const update = (...args: string[]) => m.run(["jk_update", "--all", ...args]);

  test("are told by jailkit status and jk_update --all, until the advised commands were typed", () => {
    m.remove("/var/lib/jailkit");
    const jails = ["/srv/lost one", "/srv/lost2", "/srv/kept"];
    for (const [index, jail] of jails.entries()) {
      m.must(["jk_init", "-j", jail, "uidbasics"]);
      m.addUser(`lost${index}`, { home: `${jail}/./home/lost${index}`, shell: "/usr/sbin/jk_chrootsh" });
    }
    // For sshd's own sftp: nothing of the host is in it.
    m.mkdir("/srv/bare/etc");
    m.addUser("bare", { home: "/srv/bare/./home/bare", shell: "/usr/sbin/jk_chrootsh" });
    m.remove("/var/lib/jailkit");
    m.must(["jailkit", "adopt", "/srv/kept"]);
    const what = "have no record of the contents, so that this does not update them: run jailkit adopt --all";
    const warning = `/srv/lost one and 1 more ${what}`;
    for (const more of [[], ["--check"], ["--dry-run"], ["--jobs", "2"]])
      expect(update(...more)).toMatchObject({ status: 0, stderr: `jk_update: warning: ${warning}\n` });
    expect(reportOf(updateReportSchema, update("--json").stdout).warnings).toEqual([warning]);
    const unrecorded = () => {
      const { findings } = reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout);
      return findings.flatMap(({ kind, subject, command }) =>
        kind === "unrecorded" ? [[subject, command]] : [],
      );
    };
    expect(unrecorded()).toEqual(jails.slice(0, 2).map((jail) => [jail, "jailkit adopt --all"]));
    m.must(["jailkit", "adopt", "/srv/lost2"]);
    expect(unrecorded()).toEqual([["/srv/lost one", "jailkit adopt '/srv/lost one'"]]);
    const one = update().stderr;
    expect(one).toEndWith(" does not update it: run jailkit adopt '/srv/lost one'\n");
    m.must(["sh", "-ec", one.split(": run ")[1] ?? "false"]);
    expect([unrecorded(), update("--check").stderr]).toEqual([[], ""]);
  });
});
