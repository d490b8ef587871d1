import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { shellWord } from "../../cli/shell-word.ts";
import type { CheckFinding } from "../rules.ts";
import type { Barrier } from "./walk.ts";

/** Findings about a directory that was not entered. `path` is on the host. */
export function barrierFindings(jailPath: ByteString, path: ByteString, barrier: Barrier): CheckFinding[] {
  const common = { path, jailPath };
  const shown = display(path);
  const umount = `umount ${shellWord(path)}`;
  switch (barrier.kind) {
    case "host": {
      const message = `${shown} is the host's ${display(barrier.what)}: its contents were not checked`;
      return [{ ...common, rule: "host-directory", message, remedy: umount }];
    }
    case "deep": {
      const message = `${shown} is nested too deep: its contents were not checked`;
      return [{ ...common, rule: "too-deep", message }];
    }
    case "kernel":
      return kernelFindings(jailPath, path, barrier);
    case "copied": {
      const message = `${shown} contains files, but the kernel's are not mounted there: they are copies, or somebody created them`;
      return [{ ...common, rule: "kernel-files", message }];
    }
    case "fuse":
      return [];
  }
}

function kernelFindings(
  jailPath: ByteString,
  path: ByteString,
  barrier: Extract<Barrier, { kind: "kernel" }>,
): CheckFinding[] {
  const common = { path, jailPath };
  const shown = display(path);
  // Both are usual in a jail, and show only files of its users or files that everybody may see.
  if (barrier.type === "devpts" || (barrier.type === "proc" && barrier.readOnly)) return [];
  if (barrier.type === "proc") {
    const message = `${shown} is proc, mounted writable: a server can be made to write its own memory`;
    const remedy = `mount -o remount,bind,ro ${shellWord(path)}`;
    return [{ ...common, rule: "proc-writable", message, remedy }];
  }
  const message = `${shown} is a mounted ${barrier.type}, which shows the kernel to the jail`;
  return [{ ...common, rule: "dangerous-mount", message, remedy: `umount ${shellWord(path)}` }];
}
