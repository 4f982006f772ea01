# The step that brings the artifact, where the recipe has something asked before it.
if [ ! -e "$artifact" ]; then echo "the artifact is no longer on the host"; exit 66; fi
echo "it is on the host"
