"""The plug-in for napari: click classes on an image layer, see what the clicks imply, learn from them.

napari finds it by its entry point and `napari.yaml`: *Plugins › Learn from clicks*.
"""
