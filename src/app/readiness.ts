/** Whether this process takes work: from the end of its start to the beginning of its stop. */
export class Readiness {
  isOpen = false;
}
