import { CONTROL, type RelayReport, sendMessage } from "../protocol.ts";

const MOST_WAITING = 64;

/** Reports on their way to the monitor. They wait here while its socket is full. */
export class ReportQueue {
  private waiting: RelayReport[] = [];

  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  send(report: RelayReport): void {
    if (this.isEmpty && sendMessage(CONTROL, report, false)) return;
    // Lines for a terminal may get lost; reports that the monitor must act on may not.
    if (report.is !== "line" || this.waiting.length < MOST_WAITING) this.waiting.push(report);
  }

  /** Sends waiting reports as far as there is room. */
  flush(): void {
    while (this.waiting[0] !== undefined && sendMessage(CONTROL, this.waiting[0], false)) {
      this.waiting = this.waiting.slice(1);
    }
  }
}
