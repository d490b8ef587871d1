import type { ByteString } from "../../ffi/bytes.ts";
import { args, variable } from "../../ffi/guard.ts";
import { libc } from "../../ffi/libc.ts";
import type { LogFormat } from "../config/log-format.ts";
import { openSyslog, type Severity, type Syslog } from "../system/syslog.ts";
import { auditLine, type Decision, type Known } from "./audit-event.ts";
import { readSshConnection } from "./ssh-connection.ts";

/** The log of a program that decides about users. */
export interface Audit extends Syslog {
  /** Writes one line. In the text format, `message` is all that it says. */
  write(severity: Severity, message: ByteString, decision?: Decision): void;
  /** The same log for another program, which knows what this one does. */
  named(program: string): Audit;
  /** Adds to what the lines from here on say of the caller. */
  learn(known: Known): void;
  /** The jail that the lines name; undefined outside of one, and in one that a program cannot know. */
  jail(): ByteString | undefined;
  /** The form of the lines from here on; undefined: unchanged. */
  setFormat(format: LogFormat | undefined): void;
}

/** Read once: a login writes several lines. */
let connection: ReturnType<typeof readSshConnection> | "unread" = "unread";

function ownConnection(): ReturnType<typeof readSshConnection> {
  if (connection === "unread") connection = readSshConnection(variable("SSH_CONNECTION"));
  return connection;
}

/** A log with the form and the knowledge that another one has at this time. */
function auditTo(log: Syslog, program: string, form: LogFormat, before: Known): Audit {
  let format = form;
  const known: Known = { ...before };
  return {
    write(severity, message, decision) {
      if (format === "text") return log.write(severity, message);
      const line = auditLine({
        program,
        pid: libc.getpid(),
        uid: libc.getuid(),
        time: Date.now(),
        severity,
        message,
        decision,
        known,
        args: args(),
        connection: ownConnection(),
      });
      log.write(severity, line);
    },
    named: (name) => auditTo(log.named(name), name, format, known),
    learn(more) {
      Object.assign(known, more);
    },
    jail: () => known.jail?.(),
    setFormat(next) {
      format = next ?? format;
    },
  };
}

/** Connects to the log of a program at once; see openSyslog. The lines are text until the configuration is read. */
export const openAudit = (program: string): Audit =>
  auditTo(openSyslog(program, "auth"), program, "text", {});
