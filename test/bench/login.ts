import type { Implementation, Machine, Sshd } from "../machine/machine.ts";
import { openMachine } from "../machine/machine.ts";
import { interleave, report } from "./measure.ts";

const jail = "/srv/jail";

/** `ssh host true` through jk_chrootsh and jk_lsh, all in memory, against 2.23. */
export async function benchLogin(): Promise<void> {
  const machines: Machine[] = [];
  async function open(under: Implementation, shellInJail: boolean) {
    const m = await openMachine({ under });
    machines.push(m);
    return login(m, await jailedUser(m, shellInJail));
  }
  try {
    const debian = await open("debian", true);
    const ours = await open("ours", false);
    const inJail = await open("ours", true);
    const times = interleave(15, { debian, ours, inJail });
    report("ssh host true, jk_lsh in-process", times.ours, times.debian, "2.23", { atMost: 1.1 });
    report("ssh host true, jk_lsh in the jail", times.inJail, times.debian, "2.23", { atMost: 1.1 });
  } finally {
    for (const m of machines) await m.close();
  }
}

async function jailedUser(m: Machine, shellInJail: boolean): Promise<Sshd> {
  m.mkdir(jail);
  m.must(["jk_cp", "-j", jail, "/usr/bin/true", ...(shellInJail ? ["/usr/sbin/jk_lsh"] : [])]);
  m.addUser("u", { home: `${jail}/./home/u`, shell: "/usr/sbin/jk_chrootsh" });
  const { uid, gid } = m.ids("u");
  m.mkdir(`${jail}/home/u`, { owner: [uid, gid] });
  m.write(`${jail}/etc/passwd`, `u:x:${uid}:${gid}::/home/u:/usr/sbin/jk_lsh\n`);
  m.write(`${jail}/etc/group`, `u:x:${gid}:\n`);
  m.write(`${jail}/etc/jailkit/jk_lsh.ini`, "[DEFAULT]\npaths = /usr/bin\nexecutables = /usr/bin/true\n");
  await m.startSyslog();
  return m.startSshd();
}

function login(m: Machine, sshd: Sshd): () => number {
  return () => {
    const { start, end } = m.time(["ssh", ...sshd.clientOptions, "u@127.0.0.1", "true"]);
    return (end - start) / 1e6;
  };
}
