/** Every execve(2) below the sshd of a machine, as the kernel tells exec-watch.c. */
import { join } from "node:path";
import type { ByteString } from "../../ffi/bytes.ts";
import { compiledC } from "../machine/helper.ts";
import type { Machine } from "../machine/machine.ts";

/** A program that was executed; for a script, `file` is its interpreter. */
export interface Executed {
  jailed: boolean;
  /** As those in the jail see it. */
  file: ByteString;
  argv: ByteString;
}

/** Runs `act`, and what it leaves behind, to the end: what was executed below sshd. "kill" ends what is left. */
export type Watch = (act: () => unknown, leftBehind?: "wait" | "kill") => Promise<Executed[]>;

/** Starts the watch on the sshd of a machine; `jail`: the root directory of its sessions, where they have one. */
export async function startWatch(m: Machine, jail?: ByteString): Promise<Watch> {
  const program = compiledC(join(import.meta.dir, "exec-watch.c"), ["-static"]);
  m.write("/root/exec-watch", await Bun.file(program).bytes(), { mode: 0o755 });
  const file = "/root/executed";
  m.write(file, "");
  const pid = m.must(["pgrep", "-o", "-x", "sshd"]).stdout.trim();
  const watch = m.start(["/root/exec-watch", pid, file]);
  await watch.until(({ stdout }) => stdout.includes("ready\n") || undefined);
  let asked = 0;
  return async (act, leftBehind = "wait") => {
    const before = m.read(file).length;
    act();
    asked++;
    watch.write(leftBehind === "kill" ? "k" : "w");
    await watch.until(({ stdout }) => stdout.split("idle\n").length > asked || undefined, 30_000);
    const lines = m.read(file).slice(before).split("\n");
    return lines.flatMap((line) => (line === "" ? [] : [parse(line, jail)]));
  };
}

function parse(line: string, jail: ByteString | undefined): Executed {
  const [, root = "", file = "", argv = ""] = line.split("\t");
  const jailed = root === jail;
  return { jailed, file: jailed && file.startsWith(`${jail}/`) ? file.slice(jail.length) : file, argv };
}
