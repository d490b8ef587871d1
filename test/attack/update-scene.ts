import { buildPackages, install } from "../e2e/update-packages.ts";
import { type Machine, openMachine, type RunResult } from "../machine/machine.ts";

export const JAIL = "/srv/j";
const REGISTRY = "/var/lib/jailkit";

/** The Nth time that a program makes a system call. */
export interface Point {
  readonly call: string;
  readonly nth: number;
}

/** A jail that was made before an upgrade of the host, which can be had again and again. */
export interface UpdateScene {
  readonly m: Machine;
  /** The expected jail: one that was created after the upgrade. */
  readonly wanted: Record<string, string>;
  /** The jail and its record as they were before the first update. */
  reset(): void;
  /** jk_update, with something done to it by strace(1). */
  disturbed(...strace: string[]): RunResult;
  /** Each time that an update makes one of these system calls: which, and how many of them it has made then. */
  points(calls: readonly string[]): Point[];
  /** The program in the jail runs, whichever version it is. */
  works(): string;
  /** Updates until all is done; the jail then. */
  complete(): Record<string, string>;
}

/** Opens a machine with such a jail. */
export async function openScene(): Promise<UpdateScene> {
  const m = await openMachine({ under: "ours", only: ["jk_init", "jk_cp", "jk_update"] });
  buildPackages(m);
  const make = (jail: string) => {
    m.must(["jk_init", "-j", jail, "uidbasics"]);
    m.must(["jk_cp", "-j", jail, "tiny", "/usr/share/tiny"]);
  };
  install(m, 1);
  make(JAIL);
  m.must(["cp", "-a", JAIL, "/srv/before"]);
  m.must(["cp", "-a", REGISTRY, "/srv/registry"]);
  install(m, 2);
  make("/srv/fresh");
  const wanted = m.snapshot("/srv/fresh");

  function reset(): void {
    m.remove(JAIL);
    m.remove(REGISTRY);
    m.must(["cp", "-a", "/srv/before", JAIL]);
    m.must(["cp", "-a", "/srv/registry", REGISTRY]);
  }

  const command = ["jk_update", "-j", JAIL];
  return {
    m,
    wanted,
    reset,
    disturbed: (...strace) => m.run(["strace", "-o", "/root/trace", ...strace, ...command]),
    points(calls) {
      reset();
      m.must(["strace", "-o", "/root/trace", "-e", `trace=${calls.join(",")}`, ...command]);
      const made = m
        .read("/root/trace")
        .split("\n")
        .map((line) => /^\w+(?=\()/.exec(line)?.[0] ?? "");
      return calls.flatMap((call) => {
        const times = made.filter((name) => name === call).length;
        return Array.from({ length: times }, (_, index) => ({ call, nth: index + 1 }));
      });
    },
    works: () => m.run(["chroot", JAIL, "/usr/bin/tiny"]).stdout,
    complete() {
      m.must(command);
      return m.snapshot(JAIL);
    },
  };
}

/** Calls that change something. */
export const CHANGING = [
  ...["linkat", "renameat2", "renameat", "unlinkat", "mkdirat", "symlinkat", "write", "copy_file_range"],
  ...["fchmod", "utimensat", "fchownat"],
] as const;
