import { answered, describeError, isReported } from "../cli/error.ts";
import { type DueLogin, forDueLogins } from "../jail/fs/login-notes.ts";
import { afterAccountTools } from "../jail/record/jail-lock.ts";
import { continueStopped } from "../system/sshd/unauthenticated.ts";
import { endedConnections, ownerText } from "./sessions.ts";

/**
 * Ends the connections to sshd(8) that runs which were killed were to end, after a change of an account, and lets those go on that
 * they have stopped, and that are for others. Returns warnings, printable. Call it, in a tool that changes accounts, before anything
 * else, with the lock of what it changes.
 */
export function endDueLogins(): string[] {
  const lines: string[] = [];
  forDueLogins((due) => {
    try {
      // What such a run has started may be at work still.
      const ended = afterAccountTools(() => endedConnections(due));
      answered(() => continueStopped(due.stopped));
      lines.push(...ended.map((line) => `${line}, which a run that was killed had left`));
      return true;
    } catch (error) {
      if (!isReported(error)) throw error;
      lines.push(`${dueText(due)}: ${describeError(error)}`);
      return false;
    }
  });
  return lines;
}

/** What is due, printable. */
export const dueText = (due: DueLogin): string =>
  `connections to sshd(8) for ${ownerText(due)} may go on, which a run that was killed was to end`;
