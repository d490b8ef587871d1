/** Root types what is printed some time later: meanwhile a user exchanges what it names, and gains nothing by it. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { withoutTerminal } from "../../src/cli/remedy.ts";
import type { Machine } from "../machine/machine.ts";
import { openTerminal } from "../machine/terminal.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";
import { check } from "./check-helper.ts";

setDefaultTimeout(120_000);

const J = "/srv/jail";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string) => `[user ${name}]\njail = ${J}\nshell = /bin/bash\ngroups = web\n`;

let m: Machine;

const sh = (line: string, name?: string) =>
  m.must(["sh", "-ec", line], name === undefined ? {} : { user: name });
/** Types what a message advises, which may be words. */
const type = (command: string) => m.run(["sh", "-c", command]);
const remediesOf = (rule: string) =>
  check(m, J).found.flatMap((one) => (one.rule === rule ? [(one as { remedy?: string }).remedy ?? ""] : []));

beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["groupadd", "web"]);
  m.must(["useradd", "-m", "guest"]);
  m.write(FILE, JAIL + user("eve") + user("hans"));
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

test("another home is created only where no user can put a link to a directory of the host", () => {
  const first = `first let root alone write the directories above ${J}/home/carl`;
  const command = `usermod -d ${J}/./home/carl carl && jk_jailuser --jail-side-only -j ${J} carl && install -d -o `;
  sh(`chgrp web ${J}/home; chmod 2775 ${J}/home; mkdir -p ${J}/srv`);
  sh(`useradd -M -d ${J}/./srv -s /usr/sbin/jk_chrootsh carl`);
  sh(`jk_jailuser --jail-side-only -s /bin/bash -j ${J} carl`);
  const told = () => [
    /cannot log in, .*; (?:fix it with: )?(usermod .*|first .*)/.exec(
      m.run(["jk_jailuser", "-j", J, "carl"]).stderr,
    )?.[1],
    /(?:remedy: |; )(usermod .*|first let .*?)(?: \[exit \d+\])?$/m.exec(
      m.run(["jailkit", "explain", "carl"]).stdout,
    )?.[1],
    ...check(m, J).found.flatMap(({ rule, message, remedy }) =>
      rule === "home-owner" ? [remedy ?? message.split("; ")[1]] : [],
    ),
  ];
  const before = told();
  sh("ln -s /etc /srv/jail/home/carl", "eve");
  for (const one of before) type(one ?? "false");
  expect([m.stat("/etc")?.uid, (m.stat("/etc")?.mode ?? 0) & 0o7777]).toEqual([0, 0o755]);
  expect(before).toEqual([first, first, first]);
  // As it says.
  sh(`rm ${J}/home/carl; chmod 0755 ${J}/home`);
  const then = told();
  expect(then).toEqual(Array(3).fill(expect.stringContaining(command)));
  sh(then[0] ?? "false");
  expect(m.stat(`${J}/home/carl`)?.uid).toBe(Number(m.must(["id", "-u", "carl"]).stdout));
  expect(remediesOf("home-owner")).toEqual([]);
});

test("nobody makes root open a file of the host by a link in the place of a config file", () => {
  const path = `${J}/home/eve/jk_lsh.ini`;
  sh(`umask 077; printf '[eve]\nexecutables = /usr/bin/id\n' >${path}`, "eve");
  const { stderr, stdout } = m.run(["jailkit", "config", "check", path]);
  const typed = /cannot be read by everybody: users who cannot are refused; (?:fix it with: )?(.*)/.exec(
    stdout + stderr,
  )?.[1];
  const bits = m.stat("/etc/shadow")?.mode;
  sh(`rm ${path}; ln -s /etc/shadow ${path}`, "eve");
  type(typed ?? "false");
  expect(m.stat("/etc/shadow")?.mode).toBe(bits ?? 0);
  expect(typed).toStartWith(`first let root alone write the directories above ${path}`);
});

test("nobody makes root close a directory of the host by a link in the place of one that is searched for libraries", () => {
  const config = "/etc/jailkit/jk_check.ini";
  sh(
    `mkdir -p ${J}/srv/web/lib; chgrp web ${J}/srv/web ${J}/srv/web/lib; chmod 2775 ${J}/srv/web ${J}/srv/web/lib`,
  );
  sh(`mkdir -p ${J}/etc/ld.so.conf.d; echo /srv/web/lib >${J}/etc/ld.so.conf.d/web.conf`);
  m.write(config, `[${J}]\nignorewritableforgroup = ${J}/srv\nignorepathoncompare = ${J}/etc\n`);
  const [first = "false"] = remediesOf("library-directory");
  sh(`cd ${J}/srv/web; mv lib .lib; ln -s /tmp lib`, "hans");
  type(first);
  expect((m.stat("/tmp")?.mode ?? 0) & 0o7777).toBe(0o1777);
  sh(`cd ${J}/srv/web; rm lib; mv .lib lib`);
  const [then = "false"] = remediesOf("library-directory");
  type(then);
  const commands = [`chmod go-w ${J}/srv/web`, `chmod go-w ${J}/srv/web/lib`];
  expect([first, then, ...remediesOf("library-directory")]).toEqual(commands);
  sh(`rm -r ${J}/srv/web ${J}/etc/ld.so.conf.d/web.conf ${config}`);
});

test.each(["basicshell", "sftp"])(
  "nothing runs outside of a jail with proc, with the uid of its user, who could leave through it: %s",
  (section) => {
    const jail = `/srv/${section}`;
    const name = `of${section}`;
    const file = `/etc/jailkit/jails.d/${section}.ini`;
    const declare = (more = "") =>
      m.write(
        file,
        `[jail ${jail}]\nsections = uidbasics, ${section}\nproc = yes\n[user ${name}]\njail = ${jail}\n` +
          `allow = sftp\nauthorized_keys = ${KEYS[0]}\n${more}`,
      );
    declare();
    m.must(["jailkit", "apply"]);
    const keys = `${jail}/home/${name}/.ssh/authorized_keys`;
    sh(`ln ${keys} ${jail}/home/${name}/x; cd ${jail}/home/${name}; echo x >open; chmod 0666 open`, name);
    sh(`cd ${jail}/home/${name}; echo x >named; setfacl -m u:daemon:rw named`, name);
    declare(`  ${KEYS[1]}\n`);
    const { problems } = linesOf(m).summary;
    const path = `/home/${name}/.ssh/authorized_keys`;
    const run = `setsid -fw env -i PATH="$PATH" jk_chrootlaunch -j ${jail} -u ${name} -x /usr/bin/sed -- -i '' ${path} 2>&1 </dev/null | cat -v | (! grep .)`;
    const remedy = section === "sftp" ? `jk_cp -j ${jail} /usr/bin/sed && ${run}` : run;
    expect(problems).toMatchObject([{ code: "keys-not-written", remedy }]);
    sh(remedy);
    expect([linesOf(m).summary.problems, m.read(keys).includes(KEYS[1])]).toEqual([[], true]);
    const found = () =>
      check(m, jail).found.flatMap((one) =>
        /\/(?:open|named)$/.test(one.path) ? [(one as { remedy?: string }).remedy ?? "none"] : [],
      );
    const typed = found();
    expect(typed).toHaveLength(2);
    expect(typed.filter((one) => /runuser|^none$/.test(one))).toEqual([]);
    for (const one of typed) sh(one);
    expect([typed, found()]).toEqual([typed, []]);
  },
);

test("what runs with the rights of a user has no terminal of root's, whose user could take its descriptors", async () => {
  const ssh = `${J}/home/eve/.ssh`;
  sh(`mkdir -m 0700 ${ssh}; cd ${ssh}; touch authorized_keys; ln authorized_keys x`, "eve");
  m.write(FILE, `${JAIL}${user("eve")}authorized_keys = ${KEYS[0]}\n${user("hans")}`);
  const [{ remedy = "" } = {}] = linesOf(m).summary.problems;
  // It waits there for as long as the user likes.
  sh(`cd ${ssh}; rm authorized_keys; mkfifo authorized_keys`, "eve");
  // In a script Ctrl-C must end it, too.
  const script = `trap : INT; ${remedy}; echo ended $?; read -r line; echo "got $line"`;
  const terminal = openTerminal(m, ["/bin/bash", "-c", script], { env: { PATH: "/usr/sbin:/usr/bin" } });
  const pid = sh("until pgrep -u eve -x sed; do :; done").stdout.trim();
  const opened = m.must(["sh", "-c", `cd /proc/${pid}/fd; readlink 0 1 2`]).stdout.replace(/\d+/g, "N");
  // Its terminal and its session.
  const [, , , , session, device] = m.read(`/proc/${pid}/stat`).split(" ").slice(1);
  expect([opened, session, device]).toEqual(["/dev/null\npipe:[N]\npipe:[N]\n", pid, "0"]);
  // As the user could, who takes the descriptor.
  m.must(["sh", "-c", `printf '\\033]0;x\\007here\\n' >/proc/${pid}/fd/1`]);
  await terminal.see("^[]0;x^Ghere");
  await terminal.type("\x03", "ended 130");
  await terminal.type("mine\n", "got mine");
  sh(`rm -r ${ssh}; kill ${pid}`);
});

test.each(["dash", "bash"])(
  "the exit status of what runs with the rights of a user tells whether it has failed: %s",
  (shell) => {
    const typed = (remedy: string) => m.run([shell, "-c", remedy]);
    const run = (command: string, ...paths: string[]) =>
      `jk_chrootlaunch -j ${J} -u eve -x /usr/bin/${command} -- ${paths.join(" ")}`;
    const jailed = (command: string, ...paths: string[]) => withoutTerminal(run(command, ...paths));
    sh(`jk_cp -f -j ${J} /usr/bin/sed /usr/bin/install /usr/bin/mv /usr/bin/chmod /usr/bin/tee /bin/sh`);
    sh(`rm -rf ${J}/home/eve/*; cd ${J}/home/eve; echo one >one`, "eve");
    m.write("/root/FILE.pub", `${KEYS[0]}\n`);
    const succeed = [
      jailed("sed", "-i ''", "/home/eve/one"),
      jailed("install", "-m 0600 /home/eve/one", "/home/eve/two"),
      jailed("mv", "-nT", "/home/eve/two", "/home/eve/three"),
      jailed("chmod", "u+rwX", "/home/eve", "/home/eve/three"),
      withoutTerminal(run("tee", "-a", "/home/eve/three"), "/root/FILE.pub"),
      withoutTerminal("runuser -u guest -- chmod go-w /home/guest"),
    ];
    for (const remedy of succeed)
      expect([remedy, typed(remedy)]).toEqual([
        remedy,
        expect.objectContaining({ status: 0, stdout: "", stderr: "" }),
      ]);
    expect(m.read(`${J}/home/eve/three`)).toBe(`one\n${KEYS[0]}\n`);
    const fail: [string, string | RegExp][] = [
      [
        jailed("sed", "-i ''", "/home/eve/gone"),
        "/usr/bin/sed: can't read /home/eve/gone: No such file or directory\n",
      ],
      [jailed("chmod", "go-w", "/etc"), "chmod: changing permissions of '/etc': Operation not permitted\n"],
      [withoutTerminal(run("tee", "-a", "/etc/x"), "/root/FILE.pub"), "tee: /etc/x: Permission denied\n"],
      [withoutTerminal(run("tee", "-a", "/home/eve/x"), "/root/GONE.pub"), /GONE.pub/],
      [jailed("gone"), /does not exist/],
      [withoutTerminal("nosuchcommand"), /nosuchcommand/],
      // As users can end what they own, and put any bytes there.
      [jailed("sh", `-c 'kill -9 $$'`), /did not exit normally/],
      [jailed("sh", `-c 'printf "\\033]0;x\\007\\000\\n"'`), "^[]0;x^G^@\n"],
    ];
    for (const [remedy, said] of fail) {
      const { status, stdout } = typed(remedy);
      expect([remedy, status, stdout]).toEqual([
        remedy,
        1,
        typeof said === "string" ? said : expect.stringMatching(said),
      ]);
    }
    // The next command of a remedy does not run.
    expect(typed(`${fail[0]?.[0]} && echo more`).stdout).not.toContain("more");
    sh(`rm ${J}/home/eve/*`);
  },
);
test("what runs with the rights of a user has nothing of root's environment, which its user reads in the jail", async () => {
  const jail = "/srv/proc";
  const file = "/etc/jailkit/jails.d/proc.ini";
  const declared = `[jail ${jail}]\nsections = uidbasics, basicshell\nproc = yes\n[user ida]\njail = ${jail}\nshell = /bin/bash\n`;
  m.write(file, declared);
  m.must(["jailkit", "apply"]);
  sh(`cd ${jail}/home/ida; mkdir -m 0700 .ssh; cd .ssh; touch authorized_keys; ln authorized_keys x`, "ida");
  m.write(file, `${declared}authorized_keys = ${KEYS[0]}\n`);
  const remedy = linesOf(m).summary.problems.find((one) => one.code === "keys-not-written")?.remedy ?? "";
  expect(remedy).toStartWith('setsid -fw env -i PATH="$PATH" jk_chrootlaunch ');
  // It waits there.
  sh(`cd ${jail}/home/ida/.ssh; rm authorized_keys; mkfifo authorized_keys`, "ida");
  const inJail = ["jk_chrootlaunch", "-j", jail, "-u", "ida", "-x", "/bin/cat", "--"];
  const asGuest = withoutTerminal("runuser -u guest -- sleep infinity");
  const asUid = withoutTerminal("setpriv --reuid=guest --regid=65534 --clear-groups sleep infinity");
  const PATH = "/usr/sbin:/usr/bin:/bin";
  for (const [command, name, read] of [
    [remedy, "ida", (pid: string) => m.must([...inJail, `/proc/${pid}/environ`])],
    [asGuest, "guest", (pid: string) => m.must(["cat", `/proc/${pid}/environ`], { user: "guest" })],
    [asUid, "guest", (pid: string) => m.must(["cat", `/proc/${pid}/environ`])],
  ] as const) {
    const env = { PATH, TOKEN: "secret-of-root", SSH_AUTH_SOCK: "/run/agent" };
    const typed = m.start(["sh", "-c", command], { env });
    const pid = sh(`until pgrep -u ${name} -x 'sed|sleep'; do :; done`).stdout.trim();
    const given = read(pid)
      .stdout.split("\0")
      .filter((one) => one !== "");
    // runuser(1) sets what an account has.
    expect([command, given.filter((one) => !/^(?:HOME|SHELL|USER|LOGNAME)=/.test(one))]).toEqual([
      command,
      [`PATH=${PATH}`],
    ]);
    sh(`kill ${pid}`);
    await typed.ended;
  }
  m.write(file, "");
  sh(`jailkit terminate-user ida; jailkit apply --prune --delete-homes`);
});

test("a file that only a removed user could read is given to root, wherever another user has moved it", () => {
  const uid = m.must(["id", "-u", "hans"]).stdout.trim();
  sh(`mkdir -p ${J}/srv/www; chgrp web ${J}/srv/www; chmod 2775 ${J}/srv/www`);
  sh(`umask 077; cd ${J}/srv/www; echo mine >mine; echo ours >ours`, "hans");
  // A group of that account's, which is no more.
  sh(`groupadd own; chgrp own ${J}/srv/www/ours; chmod 0640 ${J}/srv/www/ours; groupdel own`);
  m.write(FILE, JAIL + user("eve"));
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  sh(`mv ${J}/srv/www/mine ${J}/home/eve/mine`, "eve");
  const remedies = remediesOf("unknown-owner").sort();
  const wanted = [
    `chown -hR --from=+${uid} root ${J}/home/eve/mine`,
    `chown -hR --from=+${uid} root:root ${J}/srv/www/ours`,
  ];
  for (const one of remedies) type(one);
  for (const path of [`${J}/home/eve/mine`, `${J}/srv/www/ours`])
    expect([path, m.stat(path)?.uid, m.run(["cat", path], { user: "eve" }).status]).toEqual([path, 0, 1]);
  expect([remedies, remediesOf("unknown-owner")]).toEqual([wanted, []]);
});

test("what a removed user has left in a sticky directory for others to open goes, or is closed", () => {
  m.write(FILE, JAIL + user("eve") + user("hans"));
  m.must(["jailkit", "apply"]);
  const uid = m.must(["id", "-u", "hans"]).stdout.trim();
  const tmp = `${J}/srv/tmp`;
  sh(`mkdir -p ${tmp}; chmod 1777 ${tmp}`);
  sh(
    `umask 0; cd ${tmp}; ln -s /home/eve/x link; mkfifo pipe; echo 1 >open; umask 22; echo 2 >closed`,
    "hans",
  );
  m.write(FILE, JAIL + user("eve"));
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  const remedies = remediesOf("unknown-owner").sort();
  for (const one of remedies) type(one);
  expect(remedies.map((one) => one.replace("root:root", "root"))).toEqual([
    `chown -hR --from=+${uid} root ${tmp}/closed`,
    `chown -hR --from=+${uid} root ${tmp}/open && find ${tmp}/open -uid 0 -type f -exec chmod go-w {} +`,
    `find ${tmp}/link -uid ${uid} ! -type f ! -type d -delete`,
    `find ${tmp}/pipe -uid ${uid} ! -type f ! -type d -delete`,
  ]);
  expect([m.list(tmp).sort(), remediesOf("unknown-owner")]).toEqual([["closed", "open"], []]);
  for (const name of ["closed", "open"]) expect((m.stat(`${tmp}/${name}`)?.mode ?? 0) & 0o7777).toBe(0o644);
  m.remove(tmp);
});
