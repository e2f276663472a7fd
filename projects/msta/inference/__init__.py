"""Any labels, any video: inferencer, windows, segments, rejection, pictures, export."""
