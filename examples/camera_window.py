"""edgekit in a Tk window with a camera: the window stays alive while a thread predicts the newest frame.

python examples/camera_window.py [MODEL]        (needs opencv-python)
"""

import sys
import threading
import tkinter

import cv2

from edgekit import Classifier

REFRESH_MS = 100


class Camera(threading.Thread):
    """Predicts frame after frame; `label` is always what was seen last."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__(daemon=True)
        self.label = "..."
        self.stopped = threading.Event()
        self._classifier = classifier

    def run(self) -> None:
        capture = cv2.VideoCapture(0)
        while not self.stopped.is_set():
            there, frame = capture.read()
            if not there:
                self.label = "no camera"
                break
            answer = self._classifier.predict(frame, top=1, channels="BGR")  # as OpenCV has them
            self.label = f"{answer.label} {answer.probability:.0%}"
        capture.release()


def main() -> None:
    camera = Camera(Classifier(*sys.argv[1:]))
    window = tkinter.Tk()
    window.title("edgekit")
    shown = tkinter.Label(window, font=("", 32), width=24)
    shown.pack()

    def refresh() -> None:
        shown["text"] = camera.label
        window.after(REFRESH_MS, refresh)

    camera.start()
    refresh()
    window.mainloop()
    camera.stopped.set()
    camera.join()


if __name__ == "__main__":
    main()
