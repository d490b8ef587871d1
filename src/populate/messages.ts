import type { ByteString } from "../../ffi/bytes.ts";
import type { Entry } from "./entry.ts";

/** A line about an entry, as jailkit 2 worded it. Text from outside is in it as it is. */
export interface Message {
  readonly text: ByteString;
  /** Only where more output is asked for. */
  readonly detail: boolean;
}

/** What is done for an entry: told before it is done. `to` is its path on the host. */
export function actionMessage(entry: Entry, to: ByteString, linked: boolean): Message {
  if (entry.action === "keep") return { text: `${to} already exists, will not touch it`, detail: true };
  switch (entry.type) {
    case "directory":
      return { text: `Create directory ${to}`, detail: true };
    case "device":
      return { text: `Creating device ${to}`, detail: true };
    case "symlink": {
      // Those that only lead to something, such as /bin, come with it like its directories.
      const detail = entry.because.every(({ reason }) => reason.kind === "parent");
      return { text: `Creating symlink ${to} to ${entry.target ?? ""}`, detail };
    }
    case "file": {
      const verb = linked ? "Trying to link" : "Copying";
      return { text: `${verb} ${entry.source ?? ""} to ${to}`, detail: false };
    }
  }
}

/** Told after an entry whose special bits stayed behind was made. */
export function strippedMessage(to: ByteString): ByteString {
  return `removing setuid and setgid permissions from ${to}`;
}
