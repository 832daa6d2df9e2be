"""Random views of a batch: colours, crops and shifts of images and volumes."""
