import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Machine, openMachine } from "../machine/machine.ts";
import { interleave, report } from "./measure.ts";

const jail = "/srv/jail";
// build/setup.mjs puts it there.
const ARCHIVES = "/var/cache/apt/jailkit-tests";

/**
 * A login shell as panels make one with bubblewrap: the programs of the host read-only, an account file with the user
 * alone, empty directories, namespaces of its own.
 */
const SANDBOX = `#!/bin/bash
set -eu
id=$(id -u) group=$(id -g)
exec bwrap --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/sbin /sbin --symlink usr/lib /lib \\
  --symlink usr/lib64 /lib64 --dev /dev --proc /proc --tmpfs /tmp --dir /var --symlink ../tmp /var/tmp \\
  --ro-bind-try /etc/profile /etc/profile --ro-bind-try /etc/alternatives /etc/alternatives \\
  --ro-bind-try /etc/localtime /etc/localtime --ro-bind-try /etc/ld.so.cache /etc/ld.so.cache \\
  --ro-bind-try /etc/resolv.conf /etc/resolv.conf --ro-bind-try /etc/hosts /etc/hosts \\
  --ro-bind-try /etc/nsswitch.conf /etc/nsswitch.conf --ro-bind-try /etc/ssl /etc/ssl \\
  --file 11 /etc/passwd --file 12 /etc/group --bind "$HOME" "$HOME" --chdir "$HOME" \\
  --dir "/run/user/$id" --setenv XDG_RUNTIME_DIR "/run/user/$id" --unshare-all --share-net --die-with-parent \\
  /bin/bash "$@" 11< <(getent passwd "$id" 65534) 12< <(getent group "$group" 65534)
`;

/** The start of a shell that ends at once, without ssh: in a jail, by 2.23, in a sandbox, and alone. */
export async function benchLocalLogin(): Promise<void> {
  const machines: Machine[] = [];
  async function open(under: "ours" | "debian") {
    // As packages install it: by its native entry.
    const m = await openMachine({ under, only: ["jk_chrootsh", "jk_cp"], layout: "package" });
    machines.push(m);
    m.mkdir(jail);
    m.must(["jk_cp", "-j", jail, "/bin/bash"]);
    m.addUser("u", { home: `${jail}/./home/u`, shell: "/usr/sbin/jk_chrootsh" });
    const { uid, gid } = m.ids("u");
    m.mkdir(`${jail}/home/u`, { owner: [uid, gid] });
    m.write(`${jail}/etc/passwd`, `u:x:${uid}:${gid}::/home/u:/bin/bash\n`);
    m.write(`${jail}/etc/group`, `u:x:${gid}:\n`);
    await m.startSyslog();
    return m;
  }
  try {
    const debian = await open("debian");
    const m = await open("ours");
    addSandbox(m);
    const login = (at: Machine, shell: string, user: string) => () => {
      const env = { USER: user, HOME: `/home/${user}`, PATH: "/usr/bin:/bin" };
      const { start, end } = at.time([shell, "-c", "true"], { user, env });
      return (end - start) / 1e6;
    };
    const times = interleave(200, {
      bash: login(m, "/bin/bash", "p"),
      sandbox: login(m, "/usr/local/bin/sandbox", "p"),
      debian: login(debian, "/usr/sbin/jk_chrootsh", "u"),
      ours: login(m, "/usr/sbin/jk_chrootsh", "u"),
    });
    const what = "jk_chrootsh -c true";
    report(what, times.ours, times.sandbox, "a bubblewrap wrapper", { atMost: 0.8 });
    console.log(`  beside: 2.23 ${times.debian.toFixed(1)} ms, bash alone ${times.bash.toFixed(1)} ms`);
  } finally {
    for (const m of machines) await m.close();
  }
}

/** A user whose login shell is SANDBOX. */
function addSandbox(m: Machine): void {
  const archive = readdirSync(ARCHIVES).find((name) => name.startsWith("bubblewrap_"));
  if (archive === undefined)
    throw new Error(`there is no bubblewrap in ${ARCHIVES}: npm run bench fetches it`);
  m.write("/root/bubblewrap.deb", readFileSync(join(ARCHIVES, archive)));
  m.must(["dpkg", "-i", "/root/bubblewrap.deb"]);
  m.write("/usr/local/bin/sandbox", SANDBOX, { mode: 0o755 });
  m.addUser("p", { home: "/home/p", createHome: true, shell: "/usr/local/bin/sandbox" });
  m.must(["/usr/local/bin/sandbox", "-c", "test -e /usr/bin/env && ! test -e /root && ! test -e /srv"], {
    user: "p",
    env: { HOME: "/home/p", PATH: "/usr/bin:/bin" },
  });
}
