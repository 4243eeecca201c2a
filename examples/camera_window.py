"""A Tk window that classifies what a camera sees, with the predictions in a thread so that the window stays responsive.

python examples/camera_window.py [MODEL]        (needs opencv-python)
"""

import sys
import threading
import tkinter

import cv2

from edgekit import Classifier

REFRESH_MS = 100


class Camera(threading.Thread):
    """Classifies frame after frame; `label` is always the latest result."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__(daemon=True)
        self.label = "..."
        self.stopped = threading.Event()
        self._classifier = classifier

    def run(self) -> None:
        capture = cv2.VideoCapture(0)
        while not self.stopped.is_set():
            is_open, frame = capture.read()
            if not is_open:
                self.label = "no camera"
                break
            prediction = self._classifier.predict(frame, top=1, channels="BGR")  # OpenCV's channel order
            self.label = f"{prediction.label} {prediction.probability:.0%}"
        capture.release()


def main() -> None:
    camera = Camera(Classifier(*sys.argv[1:]))
    window = tkinter.Tk()
    window.title("edgekit")
    text = tkinter.Label(window, font=("", 32), width=24)
    text.pack()

    def refresh() -> None:
        text["text"] = camera.label
        window.after(REFRESH_MS, refresh)

    camera.start()
    refresh()
    window.mainloop()
    camera.stopped.set()
    camera.join()


if __name__ == "__main__":
    main()
