"""From a window of frames to a published product."""
