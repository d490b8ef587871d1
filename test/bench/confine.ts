import { type Machine, openMachine } from "../machine/machine.ts";
import { interleave } from "./measure.ts";

const JAIL = "/srv/jail";
const MOST = 0.5;
const ON = `confine = 1
read = /data
write = ~
network = local
tcp_connect = 443, 22
tcp_bind = none
limits = nofile 256, nproc 1000, core 0
`;
const OFF = "confine = 0\nexecute = any\n";

/** A jailed user with /bin/bash or jk_lsh, and what the kernel lets the sessions do. */
function addJailed(m: Machine, name: string, shell: string): void {
  const home = `/home/${name}`;
  m.addUser(name, { home: `${JAIL}/.${home}`, shell: "/usr/sbin/jk_chrootsh" });
  const { uid, gid } = m.ids(name);
  m.mkdir(`${JAIL}${home}`, { owner: [uid, gid] });
  for (const [file, line] of [
    ["passwd", `${name}:x:${uid}:${gid}::${home}:${shell}\n`],
    ["group", `${name}:x:${gid}:\n`],
  ] as const) {
    const path = `${JAIL}/etc/${file}`;
    m.write(path, (m.exists(path) ? m.read(path) : "") + line);
  }
}

/** What the keys of jk_chrootsh.ini and jk_lsh.ini that confine a session cost a login: all of them, and none. */
export async function benchConfine(): Promise<void> {
  const m = await openMachine({ under: "ours", only: ["jk_chrootsh", "jk_cp"], layout: "package" });
  try {
    m.mkdir(JAIL);
    m.must(["jk_cp", "-j", JAIL, "/bin/bash", "/usr/bin/true"]);
    m.mkdir(`${JAIL}/data`);
    const shells = { bash: "/bin/bash", lsh: "/usr/sbin/jk_lsh" };
    for (const [kind, shell] of Object.entries(shells))
      for (const how of ["on", "off"]) addJailed(m, `${kind}${how}`, shell);
    m.write("/etc/jailkit/jk_chrootsh.ini", `[bashon]\n${ON}[bashoff]\n${OFF}`);
    const programs = "paths = /usr/bin\nexecutables = /usr/bin/true\n";
    m.write(`${JAIL}/etc/jailkit/jk_lsh.ini`, `[lshon]\n${programs}${ON}[lshoff]\n${programs}${OFF}`);
    await m.startSyslog();
    const login = (user: string) => () => {
      const env = { USER: user, HOME: `/home/${user}`, PATH: "/usr/bin:/bin" };
      const { start, end } = m.time(["/usr/sbin/jk_chrootsh", "-c", "true"], { user, env });
      return (end - start) / 1e6;
    };
    m.must(["/usr/sbin/jk_chrootsh", "-c", "true"], { user: "lshon", env: { USER: "lshon" } });
    m.must(["/usr/sbin/jk_chrootsh", "-c", "true"], { user: "bashon", env: { USER: "bashon" } });
    const times = interleave(300, {
      bashon: login("bashon"),
      bashoff: login("bashoff"),
      lshon: login("lshon"),
      lshoff: login("lshoff"),
    });
    for (const [what, on, off] of [
      ["jk_chrootsh and bash, confined", times.bashon, times.bashoff],
      ["jk_chrootsh and jk_lsh, confined", times.lshon, times.lshoff],
    ] as const) {
      const more = on - off;
      const text = `${on.toFixed(2)} ms, not confined ${off.toFixed(2)} ms: ${more.toFixed(2)} ms more`;
      console.log(`${more <= MOST ? " " : "!"} ${what}: ${text} (at most ${MOST})`);
    }
  } finally {
    await m.close();
  }
}
