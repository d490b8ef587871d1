import { type Machine, openMachine } from "../machine/machine.ts";
import { median } from "./measure.ts";

const ROUNDS = 7;
const USERS_OF_EACH = 5;
// Of jk_init, small: what counts is the number of records and accounts.
const SECTION = "uidbasics";
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEGGvDPaGZLNF4BLMyIR0NNBVcL9zNTjTe1dUcTcfFPO";

/** Each number of jails, and the aim in milliseconds. */
const AIMS = [
  { jails: 10, aim: 50, exportAim: 200 },
  { jails: 1000, aim: 2000, exportAim: 5000 },
] as const;

/** `jailkit apply` where everything is as declared, and `jailkit export --declaration`: five users in each jail, with a key, a group and a policy. */
export async function benchApply(): Promise<void> {
  const m = await openMachine({ under: "ours", only: ["jk_init", "jailkit"] });
  try {
    m.must(["groupadd", "-f", "-r", "jailed"]);
    m.mkdir("/etc/jailkit/jails.d", { mode: 0o755 });
    for (const { jails, aim, exportAim } of AIMS) {
      declare(m, jails);
      create(m, jails);
      m.must(["jailkit", "apply"], { timeout: 600_000 });
      const size = `${jails} jails, ${jails * USERS_OF_EACH} users`;
      report(m, ["jailkit", "apply"], /^0 changed, 0 failed/, `jailkit apply, nothing to do: ${size}`, aim);
      const declaration = ["jailkit", "export", "--declaration", "-o", "/root/jails.ini"];
      report(m, declaration, /^$/, `jailkit export --declaration: ${size}`, exportAim);
    }
  } finally {
    await m.close();
  }
}

function report(m: Machine, argv: readonly string[], output: RegExp, what: string, aim: number): void {
  const times = Array.from({ length: ROUNDS }, () => {
    const { start, end, stdout } = m.time(argv);
    if (!output.test(stdout)) throw new Error(`there was work: ${stdout}`);
    return (end - start) / 1e6;
  });
  const time = median(times);
  console.log(`${time <= aim ? " " : "!"} ${what}: ${time.toFixed(0)} ms (at most ${aim})`);
}

const jailOf = (number: number) => `/srv/jails/${number}`;
const usersOf = (number: number) =>
  Array.from({ length: USERS_OF_EACH }, (_, index) => ({
    name: `u${number}x${index}`,
    uid: 20_000 + number * USERS_OF_EACH + index,
  }));

function declare(m: Machine, jails: number): void {
  for (let number = 0; number < jails; number++) {
    const users = usersOf(number).map(
      ({ name, uid }) =>
        `[user ${name}]\njail = ${jailOf(number)}\nuid = ${uid}\ngroups = jailed\nallow = sftp\nauthorized_keys = ${KEY}\n`,
    );
    const jail = `[jail ${jailOf(number)}]\nsections = ${SECTION}\nlog_socket = yes\n`;
    m.write(`/etc/jailkit/jails.d/${number}.ini`, [jail, ...users].join("\n"));
  }
}

/** Makes what is declared, since useradd(8) would take minutes. */
function create(m: Machine, jails: number): void {
  const passwd: string[] = [];
  const shadow: string[] = [];
  const members: string[] = [];
  m.mkdir("/srv/jails", { mode: 0o755 });
  for (let number = 0; number < jails; number++) {
    const jail = jailOf(number);
    if (m.exists(jail)) continue;
    m.must(["jk_init", "-j", jail, SECTION]);
    const inside: string[] = [];
    for (const { name, uid } of usersOf(number)) {
      passwd.push(`${name}:x:${uid}:100::${jail}/./home/${name}:/usr/sbin/jk_chrootsh`);
      shadow.push(`${name}:*:20000:0:99999:7:::`);
      members.push(name);
      inside.push(`${name}:x:${uid}:100::/home/${name}:/usr/sbin/jk_lsh`);
      m.mkdir(`${jail}/home/${name}`, { owner: [uid, 100] });
      m.mkdir(`${jail}/home/${name}/.ssh`, { owner: [uid, 100], mode: 0o700 });
      m.write(`${jail}/home/${name}/.ssh/authorized_keys`, `${KEY}\n`, { owner: [uid, 100], mode: 0o600 });
    }
    const names = usersOf(number).map(({ name }) => name);
    const gid = m.read("/etc/group").match(/^jailed:x:(\d+):/m)?.[1];
    m.write(`${jail}/etc/jailkit/jk_lsh.ini`, names.map((name) => `[${name}]\nallow = sftp\n`).join("\n"));
    m.write(
      `/etc/jailkit/jk_socketd.d/jails-${number}.ini`,
      `[${jail}/dev/log]\nbase = 512\npeak = 2048\ninterval = 10\n`,
    );
    m.write(`${jail}/etc/passwd`, `root:x:0:0:root:/root:/bin/bash\n${inside.join("\n")}\n`);
    m.write(`${jail}/etc/group`, `root:x:0:\nusers:x:100:\njailed:x:${gid}:${names.join(",")}\n`);
  }
  m.write("/etc/passwd", `${m.read("/etc/passwd")}${passwd.join("\n")}\n`);
  m.write("/etc/shadow", `${m.read("/etc/shadow")}${shadow.join("\n")}\n`, { mode: 0o640 });
  const before = m.read("/etc/group").match(/^jailed:x:\d+:(.*)$/m)?.[1] ?? "";
  const all = [...before.split(",").filter((name) => name !== ""), ...members].join(",");
  m.write("/etc/group", m.read("/etc/group").replace(/^(jailed:x:\d+:).*$/m, `$1${all}`));
}
