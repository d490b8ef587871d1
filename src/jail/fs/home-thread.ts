import { unlinkIfPresent } from "../../../ffi/changes.ts";
import { attempt, isErrno } from "../../../ffi/error.ts";
import { receivedSignal } from "../../../ffi/interrupts.ts";
import { neverWait } from "../../../ffi/served.ts";
import { lookAt } from "../../../ffi/stat-keys.ts";
import { copyRegular, openCopy, withOriginal } from "./home-fill.ts";
import type { HomeOrder } from "./home-pass.ts";
import { removeIfCopied } from "./home-remove.ts";
import { pathIn } from "./home-scan.ts";
import { Seen, type Told } from "./home-seen.ts";
import { type Names, Slots } from "./home-slots.ts";

const NOTHING: Told = { original: 0n, removable: 0n };

/** The part of a program that runs in the other thread. It leaves a name to the first thread where anything is unusual. */
class Work {
  private readonly seen: Seen;

  constructor(private readonly order: HomeOrder) {
    this.seen = new Seen(order.seen);
  }

  run(): void {
    Bun.unsafe.setJITPolicy(1);
    const slots = new Slots(this.order.slots);
    const each = { copy: this.copier, look: this.looker, remove: this.remover }[this.order.work].bind(this);
    slots.serve((batch, done) => {
      let index = 0;
      for (const group of batch) {
        const work = each(group);
        for (const name of group.names) {
          if (slots.isOver || receivedSignal() !== undefined) return;
          const told = attempt(() => work(name));
          if (told !== undefined) done(index, told);
          index++;
        }
      }
    });
  }

  private copier({ from, to, path }: Names): (name: string) => Told | undefined {
    const { root } = this.order;
    if (root === undefined) return () => undefined;
    const parent = openCopy(to, path);
    return (name) => {
      let told: Told | undefined;
      withOriginal(from, name, (fd, stat) => {
        if (stat.nlink > 1) return;
        const last = this.seen.lastOne(pathIn({ path }, name));
        try {
          copyRegular({ root, parent, name }, fd, stat);
        } catch (error) {
          // Nobody else reaches the copy.
          if (!isErrno(error, "EEXIST")) unlinkIfPresent(to, name);
          throw error;
        }
        told = last;
      });
      return told;
    };
  }

  private looker({ from, path }: Names): (name: string) => Told | undefined {
    return (name) => {
      lookAt(from, name);
      return this.seen.hasOriginalLast(pathIn({ path }, name)) ? NOTHING : undefined;
    };
  }

  private remover({ from }: Names): (name: string) => Told | undefined {
    return (name) => (removeIfCopied(from, name, this.seen) ? NOTHING : undefined);
  }
}

/** Makes this thread one that does its part of the work on a home; it leaves other orders alone. */
export function serveHomes(): void {
  neverWait();
  const scope = globalThis as unknown as {
    addEventListener(type: "message", listener: (event: { data: HomeOrder }) => void): void;
  };
  scope.addEventListener("message", ({ data }) => {
    if (typeof data.work === "string") new Work(data).run();
  });
}

// From source this file is the worker; in an executable the entry calls serveHomes.
if (!Bun.isMainThread && !import.meta.path.startsWith("/$bunfs/")) serveHomes();
