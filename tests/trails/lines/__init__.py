"""Line origins: real repositories, and sessions as the ingest hands them in."""
