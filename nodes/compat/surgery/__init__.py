"""What packs do to a model beside its weights, as part of its recipe: rules of functions in their own forms."""
