import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { noWebGpu } from "../state/model.ts";
import { openDropped } from "../state/offers/own.ts";

/** The whole page takes a dropped model folder; while one hovers it says so. */
export function DropTarget() {
  const over = useSignal(false);
  useEffect(() => {
    const carriesFiles = (event: DragEvent) =>
      !noWebGpu.value && (event.dataTransfer?.types.includes("Files") ?? false);
    const onDragOver = (event: DragEvent) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      over.value = true;
    };
    const onDragLeave = (event: DragEvent) => {
      if (event.relatedTarget === null) over.value = false;
    };
    const onDrop = (event: DragEvent) => {
      over.value = false;
      if (!carriesFiles(event) || !event.dataTransfer) return;
      event.preventDefault();
      void openDropped(event.dataTransfer);
    };
    window.addEventListener("dragover", onDragOver);
    window.addEventListener("dragleave", onDragLeave);
    window.addEventListener("drop", onDrop);
    return () => {
      window.removeEventListener("dragover", onDragOver);
      window.removeEventListener("dragleave", onDragLeave);
      window.removeEventListener("drop", onDrop);
    };
  }, []);
  return over.value ? (
    <div class="drop-veil" aria-hidden="true">
      Drop the model’s folder
    </div>
  ) : null;
}
