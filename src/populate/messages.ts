import type { ByteString } from "../../ffi/bytes.ts";
import type { Entry } from "./entry.ts";
import type { Message } from "./reporter.ts";

/** The line before an entry is created, in the words of jailkit 2. `to` is its path on the host. */
export function actionMessage(entry: Entry, to: ByteString, linked: boolean): Message {
  if (entry.action === "keep") return { text: `${to} already exists, will not touch it`, detail: true };
  switch (entry.type) {
    case "directory":
      return { text: `Create directory ${to}`, detail: true };
    case "device":
      return { text: `Creating device ${to}`, detail: true };
    case "symlink": {
      // Links on the way to a file, such as /bin, are a detail like its directories.
      const detail = entry.because.every(({ reason }) => reason.kind === "parent");
      return { text: `Creating symlink ${to} to ${entry.target ?? ""}`, detail };
    }
    case "file": {
      const verb = linked ? "Trying to link" : "Copying";
      return { text: `${verb} ${entry.source ?? ""} to ${to}`, detail: false };
    }
  }
}

/** Printed after an entry without its special bits was created. */
export function strippedMessage(to: ByteString): ByteString {
  return `removing setuid and setgid permissions from ${to}`;
}
