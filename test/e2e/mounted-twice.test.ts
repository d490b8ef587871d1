/** A directory that a mount or a symbolic link shows at two places: what is a jail at one of them. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const mounted: string[] = [];
let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());
afterEach(() => {
  for (const place of mounted.splice(0).toReversed()) m.must(["umount", place]);
});

/** Shows a directory at another place, too. */
function bind(from: string, to: string): void {
  for (const path of [from, to]) m.mkdir(path);
  m.must(["mount", "--bind", from, to]);
  mounted.push(to);
}
const jail = (path: string) => m.must(["jk_init", "-j", path, "uidbasics"]);
const refused = (...command: string[]) => {
  const { status, stderr } = m.run(command);
  expect([command, status]).toEqual([command, 1]);
  return stderr;
};

test("a jail is not deleted while another one is in it, by a mount", () => {
  const [outer, inner] = ["/srv/customer", "/srv/k"];
  jail(outer);
  bind(`${outer}/web/k`, inner);
  jail(inner);
  const message = `jailkit delete: ${outer}: the jail ${inner} is, by a mount, in it, and would go with it: delete that first\n`;
  for (const how of ["--dry-run", "--yes"]) expect(refused("jailkit", "delete", how, outer)).toBe(message);
  // What a mount covers goes when that has been unmounted.
  bind("/srv/empty", `${outer}/web`);
  expect(refused("jailkit", "delete", "--yes", outer)).toBe(message);
  expect(m.exists(`${inner}/etc/passwd`)).toBe(true);
  // One of another file system stays.
  m.mkdir(`${outer}/home`);
  m.must(["mount", "-t", "tmpfs", "-o", "mode=755", "none", `${outer}/home`]);
  bind(`${outer}/home/other`, "/srv/other");
  jail("/srv/other");
  m.must(["umount", `${outer}/web`]);
  mounted.splice(mounted.indexOf(`${outer}/web`), 1);
  m.must(["jailkit", "delete", "--yes", inner]);
  mounted.splice(mounted.indexOf(inner), 1);
  m.must(["jailkit", "delete", "--yes", outer]);
  expect(m.exists("/srv/other/etc/passwd")).toBe(true);
  m.must(["jailkit", "delete", "--yes", "/srv/other"]);
  mounted.splice(0);
});

test("nor one that is also the directory of another one, with what helps", () => {
  const [real, link] = ["/var/www/clients/web1", "/var/www/example.com"];
  jail(real);
  bind(real, "/srv/bind");
  m.must(["useradd", "-M", "-d", "/srv/bind/./home/y", "y"]);
  const is = (how: string, other: string) =>
    `jailkit delete: ${real}: is, by ${how}, also the directory of the jail ${other}, and would go with it: `;
  expect(refused("jailkit", "delete", "--yes", real)).toBe(
    `${is("a mount", "/srv/bind")}unmount one of the two first\n`,
  );
  m.must(["umount", mounted.pop() ?? ""]);
  m.must(["ln", "-s", "clients/web1", link]);
  m.must(["usermod", "-d", `${link}/./home/y`, "y"]);
  const command = `usermod -d ${real}/./home/y y`;
  const refusedFor = (advice: string) =>
    expect(refused("jailkit", "delete", "--yes", real)).toBe(
      `${is(`the symbolic link '${link}'`, link)}${advice}\n`,
    );
  refusedFor(`let its users have their homes where the link leads: ${command}`);
  m.must(["sh", "-c", command]);
  expect(refused("jailkit", "delete", "--yes", real)).toContain("users live in it (y)");
  m.must(["userdel", "y"]);
  // The record of a jail that somebody has moved, with a link in its place.
  m.remove(link);
  jail(link);
  m.must(["mv", link, "/srv/lost"]);
  m.must(["ln", "-s", "clients/web1", link]);
  refusedFor(`nothing should name it by the link: jailkit forget ${link}`);
  m.must(["jailkit", "forget", link]);
  m.must(["jailkit", "delete", "--yes", real]);
  for (const path of [link, "/srv/lost"]) m.remove(path);
});

test("a directory with a jail in it, by a mount, is not live", () => {
  bind("/opt/big", "/srv/big");
  jail("/srv/big/k");
  const says =
    "/opt/big: the jail /srv/big/k is, by a mount, in it, and its files would be visible in /srv/live";
  expect(refused("jk_init", "-j", "/srv/live", "--live=/opt/big", "uidbasics")).toContain(says);
  bind("/opt/other/deep/k", "/srv/part");
  jail("/srv/part");
  expect(refused("jk_init", "-j", "/srv/live", "--live=/opt/other", "uidbasics")).toContain(
    "the jail /srv/part is, by a mount, in it",
  );
  expect(m.exists("/srv/live")).toBe(false);
  for (const path of ["/srv/big/k", "/srv/part"]) m.must(["jailkit", "delete", "--yes", path]);
  mounted.pop();
});

test("a jail that begins in a live directory, by a mount, is refused", () => {
  m.mkdir("/opt/shown");
  m.must(["jk_init", "-j", "/srv/live", "--live=/opt/shown", "uidbasics"]);
  bind("/opt/shown/jails", "/srv/jails");
  const says = "/srv/jails/c: a jail there is, by a mount, in /opt/shown, which is live in /srv/live";
  const refuses = () => expect(refused("jk_init", "-j", "/srv/jails/c", "uidbasics")).toContain(says);
  refuses();
  m.must(["jailkit", "unmount", "/srv/live"]);
  refuses();
  m.must(["jailkit", "mount", "/srv/live"]);
  m.must(["sed", "-i", "/shown/d", "/etc/fstab"]);
  refuses();
  // The other way round: a live directory that shows one of another place.
  bind("/srv/elsewhere", "/opt/shows");
  m.must(["jk_init", "-j", "/srv/live2", "--live=/opt/shows", "uidbasics"]);
  expect(refused("jk_init", "-j", "/srv/elsewhere/c", "uidbasics")).toContain(
    "a jail there is, by a mount, in /opt/shows, which is live in /srv/live2",
  );
  // Beside them is no mistake.
  jail("/srv/beside");
  for (const path of ["/srv/beside", "/srv/live", "/srv/live2"]) m.must(["jailkit", "delete", "--yes", path]);
});

describe("a jail at another path, by a mount, stays one jail", () => {
  const [own, other] = ["/var/lib/web1", "/srv/alias"];
  const recorded = () =>
    reportOf(REPORT_SCHEMAS["jailkit list"], m.run(["jailkit", "list", "--json"]).stdout).jails.map(
      ({ path }) => path,
    );
  const says = `${other}: is, by a mount, the directory of the jail '${own}', which is known by that path: name that one\n`;

  test("the tools that change a jail name the path by which it is known", () => {
    jail(own);
    bind(own, other);
    const before = m.snapshot(own);
    for (const command of [
      ["jk_init", "-j", other, "basicshell"],
      ["jk_init", "--dry-run", "-j", other, "basicshell"],
      ["jk_init", "--remove", "-j", other, "uidbasics"],
      ["jk_cp", "-j", other, "/bin/true"],
      ["jk_update", "-j", other],
      ["jailkit", "adopt", "--force", other],
      ["jailkit", "mount", other],
    ])
      expect(refused(...command)).toContain(says);
    const added = m.run(["jk_addjailuser", "-s", "/bin/sh", "-j", other, "eve"]);
    expect([added.status, added.stderr, m.run(["id", "eve"]).status]).toEqual([
      ...[33, expect.stringContaining(says), 1],
    ]);
    expect(m.snapshot(own)).toEqual(before);
    expect(recorded()).toEqual([own]);
    // One below it, which has no record.
    m.must(["jk_init", "-j", `${other}-2`, "uidbasics"]);
    m.must(["jailkit", "delete", "--yes", `${other}-2`]);
  });

  test("if accounts name that path, too, the record keeps its own", () => {
    bind(own, other);
    m.must(["useradd", "-M", "-d", `${other}/./home/y`, "y"]);
    for (const path of [other, own]) m.must(["jk_cp", "-j", path, "/bin/true"]);
    m.must(["jk_update", "--all"]);
    const records = m.run(["grep", "-rlF", `"${other}"`, "/var/lib/jailkit/jails"]);
    expect([records.status, recorded()]).toEqual([1, [other, own]]);
    m.must(["userdel", "y"]);
  });

  test("one that was moved, with its mount, follows", () => {
    bind(own, other);
    m.must(["mkdir", "/srv/moved"]);
    m.must(["mv", own, "/srv/moved/web1"]);
    m.must(["jk_cp", "-j", other, "/bin/true"]);
    expect(recorded()).toEqual([other]);
    m.must(["umount", mounted.pop() ?? ""]);
    m.must(["jailkit", "forget", other]);
    m.remove("/srv/moved");
  });
});

test("a jail in another one, by a mount, is told, and jk_check --fix leaves it alone", () => {
  const [outer, inner] = ["/srv/outer", "/var/lib/inner"];
  const file = "/etc/jailkit/jails.d/inner.ini";
  const says = `is, by a mount, inside the jail '${outer}', whose users can read what everybody may read in it`;
  jail(outer);
  bind(`${outer}/web/k`, inner);
  for (const how of [["--dry-run"], []])
    expect(m.must(["jk_init", ...how, "-j", inner, "uidbasics", "basicshell"]).stderr).toContain(
      `jk_init: warning: ${inner} ${says}`,
    );
  m.write(file, `[jail ${inner}]\nsections = uidbasics, basicshell\n`);
  expect(linesOf(m, "--check").summary.warnings.join("\n")).toContain(`jail ${inner}: ${says}`);
  expect(m.run(["jailkit", "config", "check", file]).stdout).toContain(`the jail '${inner}' ${says}`);
  m.remove(file);
  m.must(["mknod", `${inner}/dev/kmsg`, "c", "1", "11"]);
  expect(m.run(["jk_check", "--fix", "-j", outer]).stdout).toContain(
    `${outer}/web/k is inside the jail '${outer}'`,
  );
  expect(m.exists(`${inner}/dev/kmsg`)).toBe(true);
  // A file system of its own, which is also mounted in the jail.
  m.must(["umount", mounted.pop() ?? ""]);
  m.mkdir("/srv/data");
  m.must(["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/srv/data"]);
  mounted.push("/srv/data");
  bind("/srv/data", `${outer}/home`);
  expect(m.must(["jk_init", "--dry-run", "-j", "/srv/data/new", "uidbasics"]).stderr).toContain(
    `/srv/data/new ${says}`,
  );
});

test("no command moves a directory away in which a jail is, by a mount", () => {
  bind("/srv/outer/home/eve/site", "/srv/site");
  jail("/srv/site");
  m.must(["chown", "1234", "/srv/outer/home/eve"]);
  m.must(["jk_init", "-j", "/srv/outer", "basicshell"]);
  const { stderr } = m.run(["jk_addjailuser", "-s", "/bin/sh", "-j", "/srv/outer", "eve"]);
  expect(stderr).not.toContain("mv ");
});

describe("two paths of one directory in declarations", () => {
  const [web, alias] = ["/var/www/clients/client1/web1", "/srv/bind"];
  const declares = (path: string, user: string) =>
    `[jail ${path}]\nsections = uidbasics, basicshell\n[user ${user}]\njail = ${path}\nshell = /bin/bash\n`;
  const file = (name: string) => `/etc/jailkit/jails.d/${name}.ini`;
  const problems = (...options: string[]) =>
    linesOf(m, ...options).summary.problems.flatMap(({ code, path, message }) =>
      code === "waits-for-jail" ? [] : [[code, path, message]],
    );
  const checked = () =>
    reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json"]).stdout).findings.map(
      ({ file: where, line, code, message }) => [where, line, code, message],
    );
  const error = (path: string, what: string) => ["another-jail", path, `jail ${path}: it ${what}`];
  const isToo = `is, by a mount, the directory of the jail '${web}', which is declared, too: take this one out of the files, and unmount it`;

  test("are an error of the one that has no record, and the other one's users go on", () => {
    m.write(file("web1"), declares(web, "w1"));
    m.must(["jailkit", "apply"]);
    bind(web, alias);
    m.write("/root/x.ini", declares(alias, "x2"));
    for (const options of [["--check"], ["--prune"]])
      expect(problems(...options, "/root/x.ini")).toEqual([error(alias, isToo)]);
    m.must(["mv", "/root/x.ini", file("bind")]);
    m.write(file("web1"), `${declares(web, "w1")}[user w2]\njail = ${web}\nshell = /bin/bash\n`);
    expect(problems("--check")).toEqual([error(alias, isToo)]);
    expect(checked()).toEqual([[file("bind"), 1, "another-jail", `the jail '${alias}' ${isToo}`]]);
    expect(problems()).toEqual([error(alias, isToo)]);
    expect(["w2", "x2"].map((user) => m.run(["id", user]).status)).toEqual([0, 1]);
    expect(m.exists(`${web}/home/x2`)).toBe(false);
  });

  test("so it is where the other one is not declared any more, with what helps", () => {
    bind(web, alias);
    const bound = m.read(file("bind"));
    m.write(file("web1"), "");
    const is = `is, by a mount, the directory of the jail '${web}', which is known by that path: declare that one, or let this one be its only path with: umount ${alias} && rmdir ${alias} && mv -nT ${web} ${alias} && jailkit adopt --moved ${web} ${alias}`;
    expect(problems("--check")).toEqual([error(alias, is)]);
    expect(checked()).toContainEqual([file("bind"), 1, "another-jail", `the jail '${alias}' ${is}`]);
    // Of a file that is not compared.
    m.write("/root/x.ini", bound);
    m.write(file("bind"), "");
    expect(problems("--check", "/root/x.ini")).toEqual([error(alias, is)]);
    m.write(file("web1"), declares(web, "w1"));
    expect(problems("--check")).toEqual([]);
    m.remove("/root/x.ini");
  });

  test("a user of the one is in no other jail than the one that is declared, and waits for it", () => {
    bind(web, alias);
    const before = ["web1", "bind"].map((one) => [file(one), m.read(file(one))] as const);
    m.write(file("web1"), "");
    m.write(file("bind"), declares(alias, "w1"));
    expect(linesOf(m, "--check").summary.problems.map(({ code }) => code)).toEqual([
      "another-jail",
      "waits-for-jail",
    ]);
    expect(checked().map(([, , code]) => code)).toEqual(["another-jail"]);
    for (const [one, text] of before) m.write(one, text);
  });

  test("are an error of both if neither has a record", () => {
    m.write(file("bind"), ["a", "b"].map((one) => `[jail /srv/${one}/new]\nsections = uidbasics\n`).join(""));
    bind("/srv/a", "/srv/b");
    const is = (other: string) =>
      `is, by a mount, the directory of the jail '/srv/${other}/new', which is declared, too: take one of the two out of the files, and unmount it`;
    const both = [error("/srv/a/new", is("b")), error("/srv/b/new", is("a"))];
    expect([problems("--check"), problems()]).toEqual([both, both]);
    expect(checked().map(([, line, code]) => [line, code])).toEqual([
      [1, "another-jail"],
      [3, "another-jail"],
    ]);
    expect(m.exists("/srv/a/new")).toBe(false);
  });

  /** What a run advises for the alias: the command at the end. */
  function typed(): void {
    const [[, , message = ""] = []] = problems("--check");
    const command = /with: (.*)$/.exec(message)?.[1] ?? "";
    expect(m.run(["sh", "-ec", command])).toMatchObject({ status: 0 });
  }

  test.each(["the jail's own directory", "a bind mount of the jail", "two mounts of one file system"])(
    "what helps heals where they are %s and another path",
    (how) => {
      const [known, other] = ["/srv/one", "/srv/two"];
      // Of no other test.
      for (const one of ["web1", "bind"]) m.write(file(one), "");
      const data = how === "two mounts of one file system" ? "/var/lib/data" : other;
      if (how !== "the jail's own directory") {
        m.mkdir(data);
        if (data !== other) {
          m.must(["mount", "-t", "tmpfs", "-o", "mode=755", "none", data]);
          mounted.push(data);
        }
        bind(data, known);
      }
      const fstab = m.read("/etc/fstab");
      m.write(file("web1"), declares(known, "w9"));
      m.must(["jailkit", "apply"]);
      if (how !== "a bind mount of the jail") bind(how === "the jail's own directory" ? known : data, other);
      if (data !== other) m.write("/etc/fstab", `${fstab}${data} ${known} none bind,noauto 0 0\n`);
      m.write(file("web1"), "");
      m.write(file("bind"), declares(other, "w9"));
      m.write(`${known}/home/w9/work`, "");
      const hidden = mounted.splice(0);
      typed();
      mounted.push(...hidden.filter((place) => m.run(["mountpoint", "-q", place]).status === 0));
      expect(linesOf(m)).toMatchObject({ status: 0, changes: [], summary: { problems: [] } });
      expect([m.exists(known), m.exists(`${other}/home/w9/work`)]).toEqual([false, true]);
      expect(m.read("/etc/passwd")).toContain(`:${other}/./home/w9:`);
      m.must(["/usr/sbin/jk_chrootsh", "-c", "true"], { user: "w9", env: { USER: "w9" } });
      m.write(file("bind"), "");
      m.must(["userdel", "w9"]);
      m.must(["jailkit", "forget", "--with-users", other]);
      for (const place of mounted.splice(0).toReversed()) m.must(["umount", place]);
      m.write("/etc/fstab", fstab);
      m.run(["rm", "-rf", known, other, data]);
    },
  );

  test("one that is declared, too, is none any more when it is taken out and unmounted", () => {
    m.write(file("web1"), declares(web, "w1"));
    m.must(["jailkit", "apply"]);
    bind(web, alias);
    m.write(file("bind"), declares(alias, "x2"));
    expect(problems("--check")).toEqual([error(alias, isToo)]);
    m.remove(file("bind"));
    m.must(["umount", mounted.pop() ?? ""]);
    expect(linesOf(m)).toMatchObject({ status: 0, changes: [] });
  });

  test("by a symbolic link, the path with the link is the error", () => {
    m.must(["ln", "-s", "clients/client1/web1", "/var/www/example.com"]);
    m.write(file("bind"), "[jail /var/www/example.com]\nsections = uidbasics\n");
    const linked =
      "/var/www/example.com: is a symbolic link; name its target instead: /var/www/clients/client1/web1";
    expect(problems("--check")).toEqual([
      ["link-in-jail-path", "/var/www/example.com", `jail /var/www/example.com: ${linked}`],
    ]);
    const leads = (path: string) => [
      ...[file("bind"), 1, "bad-path"],
      `'${path}' leads through the symbolic link '/var/www/example.com': name its target instead: /var/www/clients/client1/web1`,
    ];
    expect(checked()).toEqual([leads("/var/www/example.com")]);
    // Of a directory that no other section has, the remedy is a command; the users of the same file go with it.
    m.mkdir("/var/www/clients/client1/web9");
    m.must(["ln", "-s", "clients/client1/web9", "/var/www/example.org"]);
    m.write(file("bind"), declares("/var/www/example.org", "x3"));
    const { findings } = reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json"]).stdout);
    for (const { remedy } of findings) if (remedy !== null) typeRemedy(m, remedy);
    expect(m.read(file("bind"))).toBe(declares("/var/www/clients/client1/web9", "x3"));
    expect(checked()).toEqual([]);
    m.must(["rm", "-r", "/var/www/example.org", "/var/www/clients/client1/web9"]);
    m.write(file("bind"), "[jail /var/www/example.com/new]\nsections = uidbasics\n");
    m.write(file("web1"), `${declares(web, "w1")}[jail ${web}/new]\nsections = uidbasics\n`);
    expect(problems("--check")).toEqual([
      error(
        "/var/www/example.com/new",
        `is, by the symbolic link '/var/www/example.com', the directory of the jail '${web}/new', which is declared, too: take this one out of the files`,
      ),
    ]);
    expect(checked()).toContainEqual(leads("/var/www/example.com/new"));
    // A user could choose where this one leads.
    m.mkdir("/var/www/open", { mode: 0o1777 });
    m.must(["runuser", "-u", "nobody", "--", "ln", "-s", "../clients", "/var/www/open/link"]);
    m.write(file("bind"), "[jail /var/www/open/link]\nsections = uidbasics\n");
    const open = "/var/www/open/link: is a symbolic link; name its target instead";
    expect(problems("--check")).toEqual([
      ["link-in-jail-path", "/var/www/open/link", `jail /var/www/open/link: ${open}`],
    ]);
    m.remove("/var/www/open");
  });
});
