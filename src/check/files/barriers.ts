import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { remedyOf } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { insideJail } from "../../jail/record/around.ts";
import type { CheckFinding, Rule } from "../rules.ts";
import type { Barrier } from "./walk.ts";

/** Findings about a directory of `jail` that was not entered. `path` is on the host. */
export function barrierFindings(
  jail: ByteString,
  jailPath: ByteString,
  path: ByteString,
  barrier: Barrier,
): CheckFinding[] {
  const found = (rule: Rule, what: string, remedy?: Remedy): CheckFinding[] => {
    return [{ rule, path, jailPath, message: `${display(path)} ${what}`, remedy }];
  };
  const umount: Remedy = `umount ${shellWord(path)}`;
  switch (barrier.kind) {
    case "host": {
      const what = `is the host's ${display(barrier.what)}: its contents were not checked`;
      return found("host-directory", what, umount);
    }
    case "jail": {
      const inside = insideJail(path, jail);
      return found(
        "inner-jail",
        barrier.entered ? inside : `${inside}; its contents were not checked with it`,
      );
    }
    case "deep":
      return found("too-deep", "is nested too deep: its contents were not checked");
    case "copied": {
      const why = "they are copies, or somebody created them";
      return found("kernel-files", `contains files, but the kernel's are not mounted there: ${why}`);
    }
    case "kernel": {
      // Both are usual in a jail, and show only files of its users or files that everybody may see.
      if (barrier.type === "devpts" || (barrier.type === "proc" && barrier.readOnly)) return [];
      const what = `is a mounted ${barrier.type}, which shows the kernel to the jail`;
      if (barrier.type !== "proc") return found("dangerous-mount", what, umount);
      const danger = "is proc, mounted writable: a server can be made to write its own memory";
      return found("proc-writable", danger, `mount -o remount,bind,ro ${shellWord(path)}`);
    }
    case "mounted": {
      const what = `is on the host's ${display(barrier.what)}, mounted in the jail`;
      if (barrier.limited) return found("host-mount", `${what}: its contents were not checked`, umount);
      const limit: Remedy = `mount -o remount,bind,ro,nosuid,nodev ${shellWord(path)}`;
      return found("live-mount", `${what}, and is not read-only, nosuid and nodev`, limit);
    }
    case "user": {
      const what = "is a file system that a program of a user serves: its contents were not checked";
      return found("user-mount", what, remedyOf(barrier.error));
    }
    // The host's business: --fix must not change anything there.
    case "outside":
    case "fuse":
      return [];
  }
}
