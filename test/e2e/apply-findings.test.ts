/**
 * A mistake in a declaration has one code, whoever is asked: `finding` in the report of `jailkit apply` is the code of the error
 * that `jailkit config check` reports at the same key. What users can bring about has none in the report of apply.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { FindingCode } from "../../src/config/finding-codes.ts";
import { MACHINE_FINDINGS } from "../../src/declaration/machine-findings.ts";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const FOLDER = "/etc/jailkit/jails.d";
const FILE = `${FOLDER}/x.ini`;
const JAIL = "[jail /srv/x]\nsections = basicshell\n";
const user = (...lines: readonly string[]) => `[user a1]\njail = /srv/x\n${lines.join("\n")}\n`;
const shell = (path: string, jail = JAIL) => `${jail}${user(`shell = ${path}`)}`;
const named = (name: string, ...lines: readonly string[]) =>
  `${JAIL}[user ${name}]\njail = /srv/x\nshell = /bin/bash\n${lines.join("\n")}\n`;
const EVE = "useradd -m -s /bin/bash eve";
/** A jail that is there, with an account that apply has made. */
const MADE = `jailkit apply; true`;

/** Sections of which this machine has nothing. */
const NOWHERE =
  "printf '[nowhere]\\npaths = /opt/nowhere/tool\\n[patterns]\\npaths = /opt/*/nowhere/t*\\n' >>/etc/jailkit/jk_init.ini";
const SETTINGS = "/etc/jailkit/jk_chrootsh";

/** What is wrong: the finding, the text of the file, what is done before. */
type Mistake = readonly [finding: FindingCode, text: string, plant?: string];

const MISTAKES: readonly Mistake[] = [
  ["bad-path", "[jail /home]\nsections = basicshell\n"],
  ["bad-path", "[jail /etc]\nsections = basicshell\n"],
  ["bad-path", "[jail /etc/ssh]\nsections = basicshell\n"],
  ["bad-path", "[jail /lnk/x]\nsections = basicshell\n", "ln -s /srv /lnk"],
  ["bad-path", "[jail /proc/x]\nsections = basicshell\n"],
  ["bad-path", "[jail /srv/file]\nsections = basicshell\n", "touch /srv/file"],
  ["bad-path", "[jail /srv/file/x]\nsections = basicshell\n", "touch /srv/file"],
  ["bad-path", `[jail /srv/${"n".repeat(256)}]\nsections = basicshell\n`],
  ["empty-jail", "[jail /srv/x]\n"],
  ["unknown-section", "[jail /srv/x]\nsections = basicshell, nosuch\n"],
  ["unknown-section", "[jail /srv/x]\nsections = nosuch, basicshell,\n  other\n"],
  ["no-such-path", `${JAIL}files = /nosuch\n`],
  ["no-such-path", `${JAIL}files = /usr/bin/env,\n  nosuch-program,\n  /nosuch\n`],
  ["not-a-directory", `${JAIL}live = /opt/nosuch\n`],
  ["not-a-directory", `${JAIL}live = /usr, /opt/nosuch\n`],
  ["unknown-jail", `${JAIL}[user a1]\njail = /srv/y\nshell = /bin/bash\n`],
  [
    "unknown-jail",
    `${JAIL}${["a1", "a2"].map((name) => `[user ${name}]\njail = /srv/y\nshell = /bin/bash\n`).join("")}`,
  ],
  ["unknown-group", `${shell("/bin/bash")}groups = team, nosuch\n`],
  ["bad-account", named("root")],
  ["bad-account", named("a1@x")],
  ["bad-account", named("nobody")],
  ["bad-account", named("adm0"), "useradd -o -u 0 -g 0 -M -d /root adm0"],
  ["home-differs", named("out2"), "useradd -M -d /nosuch/out2 out2"],
  ["home-differs", named("a1", "home = /home/other"), `printf '${shell("/bin/bash")}' >${FILE}; ${MADE}`],
  ["taken", named("a1", "uid = 33")],
  ["taken", named("out1", "uid = 77"), "useradd -m out1"],
  [
    "taken",
    named("a2", "home = /home/a1"),
    "jk_init -j /srv/x basicshell; jk_addjailuser -j /srv/x -s /bin/bash a1",
  ],
  ["taken", named("a1"), `printf '${shell("/bin/bash")}' >${FILE}; ${MADE}; usermod -l a2 a1`],
  ["not-their-home", named("www-data")],
  ["no-home", named("out3"), "useradd -M out3"],
  ["no-home", named("out3", "groups = team"), "jk_init -j /srv/x basicshell; useradd -M out3"],
  [
    "in-another-jail",
    `[jail /srv/y]\nsections = basicshell\n${named("a1")}`,
    `printf '[jail /srv/y]\\nsections = basicshell\\n[user a1]\\njail = /srv/y\\nshell = /bin/bash\\n' >${FILE}; ${MADE}`,
  ],
  ["contradiction", named("a1", "directory = yes"), "useradd -m a1"],
  [
    "two-homes",
    named("a1"),
    `printf '${shell("/bin/bash")}' >${FILE}; ${MADE}; mkdir /data; mv /srv/x/home /data/home; ln -s /data/home /srv/x/home`,
  ],
  [
    "two-homes",
    named("a1"),
    "jk_init -j /srv/x basicshell; useradd -m a1; mv /srv/x/home /srv/x/big; ln -s /srv/x/big /srv/x/home",
  ],
  ["no-such-path", shell("/bin/nosuch")],
  ["no-such-path", shell("/bin/nosuch"), "jk_init -j /srv/x basicshell"],
  ["no-such-path", user("shell = /bin/nosuch"), "jk_init -j /srv/x basicshell"],
  ["not-in-jail", shell("/usr/bin/perl")],
  ["not-in-jail", shell("/usr/bin/perl"), "jk_init -j /srv/x basicshell"],
  ["not-in-jail", shell("/usr/bin/perl", "[jail /srv/x]\nfiles = /usr/bin/env\n")],
  ["not-executable", shell("/bin")],
  ["not-executable", shell("/bin"), "jk_init -j /srv/x basicshell"],
  ["not-executable", shell("/dev/null")],
  ["moved", JAIL, "jk_init -j /srv/x basicshell; mv /srv/x /srv/z"],
  ["nothing-found", "[jail /srv/x]\nsections = basicshell, nowhere\n", NOWHERE],
  ["nothing-found", "[jail /srv/x]\nsections = nowhere,\n  patterns\n", NOWHERE],
  [
    "nothing-found",
    "[jail /srv/x]\nsections = basicshell, nowhere\n",
    `${NOWHERE}; jk_init -j /srv/x basicshell`,
  ],
  ["refused-source", `${JAIL}files = /etc\n`],
  ["refused-source", `${JAIL}files = /usr/bin/env,\n  /srv\n`],
  ["refused-source", `${JAIL}files = /proc\n`, "jk_init -j /srv/x basicshell"],
  ["inside-home", `${shell("/bin/bash")}[user a2]\njail = /srv/x\nshell = /bin/bash\nhome = /home/a1/x\n`],
  [
    "inside-home",
    `${shell("/bin/bash")}[user a2]\njail = /srv/x\nshell = /bin/bash\nhome = /home/a1/x/y\n`,
    `printf '${shell("/bin/bash")}' >${FILE}; ${MADE}`,
  ],
  ["policy-exists", named("a1", "limits = nproc 50"), `printf '[a1]\nlimits = nproc 9\n' >>${SETTINGS}.ini`],
  [
    "policy-exists",
    named("a1", "limits = nproc 50", "confine = 1"),
    `mkdir -p ${SETTINGS}.d; printf '[other]\nlimits = nproc 9\n' >${SETTINGS}.d/a1.ini`,
  ],
  [
    "policy-exists",
    `${JAIL}[user a1]\njail = /srv/x\nexecutables = /bin/bash\n`,
    "jk_init -j /srv/x basicshell jk_lsh; mkdir -p /srv/x/etc/jailkit/jk_lsh.d; printf '[a1]\nexecutables = /bin/ls\n' >/srv/x/etc/jailkit/jk_lsh.d/own.ini",
  ],
];

/** What fits this machine all the same. */
const FITTING: readonly (readonly [text: string, plant: string])[] = [
  // The jail has it, though the machine has it no more.
  [
    "[jail /srv/x]\nsections = basicshell, nowhere\n",
    `${NOWHERE}; mkdir /opt/nowhere; touch /opt/nowhere/tool; jk_init -j /srv/x basicshell nowhere; rm -r /opt/nowhere`,
  ],
  // Root's own section says the same.
  [named("a1", "limits = nproc 50"), `printf '[a1]\nlimits = nproc 50\n' >>${SETTINGS}.ini`],
];

/** What users, or a file system that is missing, can bring about: config check reports it, and it is no mistake in the file. */
const BROUGHT_ABOUT: readonly Mistake[] = [
  [
    "bad-path",
    "[jail /home/eve/lnk/x]\nsections = basicshell\n",
    `${EVE}; su eve -c 'ln -s /srv /home/eve/lnk'`,
  ],
  ["bad-path", "[jail /home/eve/x]\nsections = basicshell\n", EVE],
  ["no-such-path", `${JAIL}files = /home/eve/tool\n`, EVE],
  ["refused-source", `${JAIL}files = /home/eve/lnk/etc\n`, `${EVE}; su eve -c 'ln -s / /home/eve/lnk'`],
  ...["/home/eve/tool", "/home/*/tool", "/home/*/none*/tool"].map(
    (path): Mistake => [
      "nothing-found",
      "[jail /srv/x]\nsections = basicshell, eves\n",
      `${EVE}; printf '[eves]\\npaths = ${path}\\n' >>/etc/jailkit/jk_init.ini`,
    ],
  ),
  [
    "holds-home",
    named("eve"),
    `${EVE}; useradd -M -d /home/eve/in inner; mkdir /home/eve/in; chown inner: /home/eve/in`,
  ],
  [
    "two-homes",
    named("a1"),
    `printf '${shell("/bin/bash")}' >${FILE}; ${MADE}; mkdir -m 777 /open; mv /srv/x/home /open/home; ln -s /open/home /srv/x/home`,
  ],
  ["no-home", named("eve", "home = /open/eve"), "mkdir -m 777 /open; useradd -M -d /open/eve eve"],
  [
    "not-their-home",
    named("eve"),
    `${EVE}; mkdir -m 777 /open; usermod -m -d /open/eve eve; su eve -c 'mv /open/eve /open/x; ln -s /etc /open/eve'`,
  ],
  ["no-such-path", `${JAIL}${user("shell = /home/a1/sh")}`],
  [
    "not-mounted",
    "[jail /mnt/t/x]\nsections = basicshell\n",
    "mkdir -p /mnt/t; mount -t tmpfs none /mnt/t; jk_init -j /mnt/t/x basicshell; umount /mnt/t; echo 'none /mnt/t tmpfs noauto 0 0' >>/etc/fstab",
  ],
];

/** Codes that need a name service, or mounts that the machine of the test cannot make, or what earlier runs have left. */
const ELSEWHERE: readonly FindingCode[] = [
  ...(["not-a-member", "another-jail", "duplicate-section", "not-a-list"] as const),
  "kept-home",
];

/** Both reports, on a machine of its own. */
async function asked([, text, plant = "true"]: Mistake) {
  const m = await openApplyMachine();
  try {
    m.run(["sh", "-c", plant]);
    m.write(FILE, text);
    const { summary } = linesOf(m, "--check");
    const { stdout } = m.run(["jailkit", "config", "check", "--json"]);
    const { findings } = reportOf(configReportSchema, stdout);
    const errors = findings.filter(({ file, severity }) => file === FILE && severity === "error");
    return { problems: summary.problems, errors };
  } finally {
    await m.close();
  }
}

describe.each(MISTAKES)("%s: %j %s", (...mistake) => {
  test("apply and config check have the same codes, at the same keys", async () => {
    const { problems, errors } = await asked(mistake);
    const all = errors.map(({ code }) => code);
    const found = problems.filter((one) => one.finding !== null);
    expect(found.map(({ finding }) => finding)).toContain(mistake[0]);
    for (const { finding } of found) expect(all).toContain(finding ?? "bad-path");
    // Of several items of one list, apply has one problem.
    for (const { line } of errors) expect(found.some((one) => (one.line ?? line + 1) <= line)).toBe(true);
  });
});

describe.each(BROUGHT_ABOUT)("%s: %j %s", (...mistake) => {
  test("is no mistake in the file", async () => {
    const { problems, errors } = await asked(mistake);
    expect(errors.map(({ code }) => code)).toContain(mistake[0]);
    expect(problems).not.toEqual([]);
    expect(problems.map(({ finding }) => finding)).toEqual(problems.map(() => null));
  });
});

describe.each(FITTING)("%j %s", (text, plant) => {
  test("is no mistake, neither for apply nor for config check", async () => {
    const { problems, errors } = await asked(["bad-path", text, plant]);
    expect(problems).toEqual([]);
    expect(errors).toEqual([]);
  });
});

test("each code of config check about the machine is tried, or is named", () => {
  const tried = new Set([...MISTAKES, ...BROUGHT_ABOUT].map(([code]) => code));
  const codes = Object.entries(MACHINE_FINDINGS).flatMap(([code, by]) => (by === "warning" ? [] : [code]));
  expect([...tried, ...ELSEWHERE].sort() as string[]).toEqual(codes.sort());
});
