/**
 * One fault is reported once: jk_check and `jailkit config check` do not report a consequence as a fault of its own,
 * because its remedy would fix nothing or do harm. Each remedy that is printed works, whichever is typed first.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { check } from "./check-helper.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(300_000);

const J = "/srv/one";
const INI = `${J}/etc/jailkit/jk_lsh.ini`;
let m: Machine;

beforeAll(async () => {
  m = await openMachine({
    under: "ours",
    only: ["jk_init", "jk_cp", "jk_check", "jk_addjailuser", "jk_jailuser", "jailkit"],
  });
  m.remove("/var/lib/jailkit");
  m.must(["jk_init", "-j", J, "basicshell", "uidbasics", "rsync"]);
  m.must(["jk_addjailuser", "-j", J, "v"]);
  m.mkdir(`${J}/usr/local/lib`);
  m.mkdir(`${J}/tmp`, { mode: 0o1777 });
  m.write(
    INI,
    "[v]\npaths = /usr/bin\nexecutables = /usr/bin/rsync, /usr/bin/gzip\nexecute = system, /usr/local/lib\n",
  );
  for (const path of ["/etc", J]) m.must(["rsync", "-aHAX", "--mkpath", `${path}/`, `/root/kept${path}/`]);
  expect(told()).toEqual([]);
});
afterAll(async () => m?.close());

const restore = () => {
  for (const path of ["/etc", J])
    m.must(["rsync", "-aHAX", "--checksum", "--delete", `/root/kept${path}/`, `${path}/`]);
};

interface Told {
  what: string;
  message: string;
  remedy: string;
}

/** The findings of both. */
function told(): Told[] {
  const found = check(m, J).found.map(({ rule, path, message, remedy = "" }) => {
    return { what: `${rule} ${path}`, message, remedy };
  });
  const { stdout } = m.run(["jailkit", "config", "check", "--json", INI]);
  const { findings, failures } = reportOf(configReportSchema, stdout);
  expect(failures).toEqual([]);
  const config = findings.map(({ code, file, message, remedy }) => {
    return { what: `${code} ${file}`, message, remedy: remedy ?? "" };
  });
  return [...found, ...config];
}

const CASES: readonly (readonly [plant: string, found: readonly string[]])[] = [
  [`chmod 0757 ${J}`, [`writable-for-others ${J}`, `unsafe-file ${INI}`]],
  [`chown 4001 ${J}`, [`unsafe-jail ${J}`, `unsafe-file ${INI}`]],
  [`chmod o+w ${J}/etc`, [`writable-for-others ${J}/etc`, `unsafe-file ${INI}`]],
  [`chmod o+w ${INI}`, [`file-writable-for-others ${INI}`, `unsafe-file ${INI}`]],
  [`chown 4001 ${J}/etc/jailkit`, [`foreign-owner ${J}/etc/jailkit`, `unsafe-file ${INI}`]],
  [`chmod g+w ${J}/usr`, [`writable-for-group ${J}/usr`, `not-executed ${J}/usr`]],
  // Two links in the jail's root lead there.
  [
    `ln -s usr/lib ${J}/lib99; chmod g+w ${J}/usr/lib`,
    [`writable-for-group ${J}/usr/lib`, `unrecorded ${J}/lib99`, `not-executed ${J}/usr/lib`],
  ],
  // Nothing is loaded from it, so the jail is safe.
  [`mkdir -m 0777 ${J}/srv`, [`writable-for-others ${J}/srv`, `writable-for-group ${J}/srv`]],
  // What jk_check.ini leaves out is said in our words, for logins are refused all the same.
  [
    `echo '[${J}]\nignorewritableforothers = ${J}/usr' > /etc/jailkit/jk_check.ini; chmod o+w ${J}/usr`,
    [`unsafe-jail ${J}/usr`, `not-executed ${J}/usr`],
  ],
  [`chown 4001 ${J}/usr/lib`, [`unsafe-jail ${J}/usr/lib`, `not-executed ${J}/usr/lib`]],
  [
    `chmod o+w ${J}/usr/local/lib`,
    [`writable-for-others ${J}/usr/local/lib`, `not-executed ${J}/usr/local/lib`],
  ],
  [`setfacl -m u:4001:rwx ${J}/usr`, [`acl-entry ${J}/usr`, `not-executed ${J}/usr`]],
  // A remedy of these would bring the host's hashes into the jail, or give a home to another.
  [`cp /etc/shadow ${J}/etc/shadow`, [`shadow ${J}/etc/shadow`]],
  [`echo /x.so > ${J}/etc/ld.so.preload`, [`preload ${J}/etc/ld.so.preload`]],
  [`ln -s ../../../../etc/passwd ${J}/usr/bin/up`, [`link-outside ${J}/usr/bin/up`]],
  [`sed -i 's/^v:x:[0-9]*:/v:x:4999:/' ${J}/etc/passwd`, [`user-changed ${J}/etc/passwd`]],
  [`sed -i 's#:/home/v:#:/home/other:#' ${J}/etc/passwd`, [`home-differs ${J}/etc/passwd`]],
  [`chown root ${J}/home/v`, [`home-owner ${J}/home/v`]],
  // What nothing else reports is reported.
  [
    `echo /tmp > ${J}/etc/ld.so.conf.d/tmp.conf`,
    [`unrecorded ${J}/etc/ld.so.conf.d/tmp.conf`, `library-directory ${J}/tmp`],
  ],
  [
    `echo '[${J}]\nignorewritableforothers = ${J}/usr/share' > /etc/jailkit/jk_check.ini
     echo /usr/share/lib > ${J}/etc/ld.so.conf.d/share.conf; mkdir -p ${J}/usr/share/lib; chmod o+w ${J}/usr/share`,
    [`unrecorded ${J}/etc/ld.so.conf.d/share.conf`, `library-directory ${J}/usr/share/lib`],
  ],
];

describe.each(CASES)("%s", (plant, found) => {
  test("is reported, and nothing that follows from it", () => {
    restore();
    m.must(["sh", "-ec", plant]);
    expect(told().map(({ what }) => what)).toEqual([...found]);
  });

  test.each(found.map((_, index) => index))("remedy %d heals", (index) => {
    restore();
    m.must(["sh", "-ec", plant]);
    const { what, remedy } = told()[index] ?? { what: "", remedy: "" };
    expect({ what, remedy, status: typeRemedy(m, remedy).status }).toEqual({ what, remedy, status: 0 });
    const left = told();
    expect({ remedy, left: left.map((one) => one.what) }).toEqual({
      remedy,
      left: left.map((one) => one.what).filter((one) => one !== what && found.includes(one)),
    });
    for (const one of left) typeRemedy(m, one.remedy);
    expect({ remedy, left: told() }).toEqual({ remedy, left: [] });
  });
});

test("an unsafe directory is told by the line of jailkit 2, with the reason and the remedy below it", () => {
  restore();
  m.must(["chmod", "0777", `${J}/usr`]);
  const line = (who: string, by: string) => [
    `WARNING: ${J}/usr/ is writable for ${who}!`,
    `  reason: the jail is not safe, and logins are refused: ${J}/usr is writable by ${by}`,
    `  remedy: chmod go-w ${J}/usr`,
  ];
  const lines = [
    ...line("group", "its group (gid 0, mode 0777)"),
    ...line("others", "everyone (mode 0777)"),
    "",
  ];
  const { stdout, status } = m.run(["jk_check", J]);
  expect([status, stdout.split("\n")]).toEqual([1, lines]);
  const { found } = check(m, J);
  expect(found.map(({ level, reason }) => [level, reason])).toEqual([
    ["error", lines[1]?.replace("  reason: ", "")],
    ["error", lines[4]?.replace("  reason: ", "")],
  ]);
  const [run] = JSON.parse(m.run(["jk_check", "--sarif", J]).stdout).runs;
  expect(run.results).toMatchObject([
    { ruleId: "writable-for-group", level: "error" },
    { ruleId: "writable-for-others", level: "error" },
  ]);
  const fixed = m.run(["jk_check", "--fix", J]);
  expect(fixed.stdout).toEndWith("2 findings are fixed, 0 are left\n");
  expect([fixed.status, told()]).toEqual([0, []]);
});

const FIRST = /^install .* && cat -v (\S+)\.new && mv -iT \1\.new \1 \|\| ! rm -f \1\.new$/;

test.each([
  [`chmod o+w ${INI}`, [INI, INI]],
  [`chown 4001 ${INI}`, [INI, INI]],
  [`setfacl -m u:4001:rw ${INI}`, [INI, INI]],
  [`chmod g+w ${J}/etc/passwd`, [`${J}/etc/passwd`]],
  // What is compared with the host.
  [`chmod o+w ${J}/usr/bin/gzip`, [undefined]],
  [`chmod o+w ${J}/etc`, [undefined, undefined]],
  [`chmod 0666 /etc/jailkit/jk_lsh.ini`, ["/etc/jailkit/jk_lsh.ini"]],
  [`chown 4001 /etc/jailkit/jk_lsh.ini`, ["/etc/jailkit/jk_lsh.ini"]],
])("%s: what others may have written is to be read before it counts again", (plant, files) => {
  restore();
  m.must(["sh", "-ec", plant]);
  const remedies = told().map(({ remedy }) => remedy);
  expect([remedies, remedies.map((one) => FIRST.exec(one)?.[1])]).toEqual([remedies, files]);
});

test("whom an ACL lets write is not told as the group", () => {
  restore();
  m.must(["setfacl", "-m", "u:4001:rwx", `${J}/usr`]);
  const [first] = check(m, J).found;
  expect(first).toMatchObject({
    message: `${J}/usr has an ACL that names others (u:4001:rwx)!`,
    reason: `the jail is not safe, and logins are refused: ${J}/usr is writable by users other than root through its ACL (u:4001:rwx)`,
    remedy: `setfacl -x u:4001 ${J}/usr`,
    level: "error",
  });
});

test("no remedy copies what not everybody may read on the host", () => {
  restore();
  m.write("/etc/secret", "the host's", { mode: 0o600 });
  m.write(`${J}/etc/secret`, "the jail's own");
  const [first, ...more] = told();
  expect([first?.what, more]).toEqual([`different-size ${J}/etc/secret`, []]);
  expect(typeRemedy(m, first?.remedy ?? "").status).toBe(0);
  expect([told(), m.read(`${J}/etc/secret`)]).toEqual([[], "the jail's own"]);
});

test("one fixed finding counts as one", () => {
  restore();
  m.must(["chown", "4001", J]);
  expect(m.run(["jk_check", "--fix", J]).stdout).toEndWith("1 finding is fixed, 0 are left\n");
});
