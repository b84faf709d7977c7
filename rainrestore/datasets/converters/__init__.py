"""From the releases of public data sets to the layout ``{train,val,test}/{img,mask}``."""
